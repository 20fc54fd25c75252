/**
 * Client certificates. The listener's TLS has checked the chain; here the certificate must also be signed by one of
 * the authorities that may name services, be valid at the time of the request, and carry exactly one usable name.
 *
 * The name is that of a SPIFFE URI, else of a DNS entry, else the CN. The service is the one in the configuration that
 * is called like it, or like the last segment of the SPIFFE path; a certificate that names no configured service stands
 * for a service of that name all the same: it was proven, and grants may name it.
 */
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Actor, CredentialDefect } from '@countersign/record/vocabulary'
import { fingerprintOf, provenActor, worthless } from './actors.ts'
import type { Naming } from './actors.ts'
import { IdentityError } from './errors.ts'

export interface Certificates {
  /** Judges a DER certificate at a time (nanoseconds since the epoch). */
  identify(der: Uint8Array, nowNs: bigint): Actor
  /** Lets go of the actors it holds. */
  forget(): void
}

interface Judged {
  readonly defect?: CredentialDefect
  readonly notBeforeNs: bigint
  readonly notAfterNs: bigint
  actor: Actor | undefined
}

const certificateBytesMax = 32 * 1024
const longLivedNs = 398n * 86_400_000_000_000n
const pem = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** @throws {IdentityError} `IDENTITY_AUTHORITIES_UNREADABLE` */
export async function readAuthorities(file: string): Promise<X509Certificate[]> {
  try {
    const blocks = (await readFile(file, 'utf8')).match(pem) ?? []
    if (blocks.length === 0) throw new Error('it holds no PEM certificate')
    return blocks.map((block) => new X509Certificate(block))
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    const message = `could not read certificate authorities from ${file}: ${why}`
    throw new IdentityError('IDENTITY_AUTHORITIES_UNREADABLE', message, { cause: error })
  }
}

export function trustCertificates(
  authorities: readonly X509Certificate[],
  services: ReadonlySet<string>,
  naming: Naming,
): Certificates {
  // Capture hands over the same bytes for every request of a connection.
  let judged = new WeakMap<Uint8Array, Judged>()
  return {
    forget() {
      judged = new WeakMap()
    },
    identify(der, nowNs) {
      let found = judged.get(der)
      if (found === undefined) {
        found = judge(der, { authorities, services, naming })
        judged.set(der, found)
      }
      const refuse = (defect: CredentialDefect): Actor =>
        worthless(naming, { kind: 'client_certificate', secret: der }, [defect])
      if (found.defect !== undefined || found.actor === undefined)
        return refuse(found.defect ?? 'malformed')
      if (nowNs < found.notBeforeNs) return refuse('not_yet_valid')
      if (nowNs > found.notAfterNs) return refuse('expired')
      return found.actor
    },
  }
}

interface Judging {
  readonly authorities: readonly X509Certificate[]
  readonly services: ReadonlySet<string>
  readonly naming: Naming
}

// Attacker-controlled: whoever gets a certificate from a careless authority chooses its names.
function judge(der: Uint8Array, judging: Judging): Judged {
  const certificate = der.length > certificateBytesMax ? undefined : parse(der)
  if (certificate === undefined) return bad('malformed')
  const authority = judging.authorities.find((candidate) => isSignedBy(certificate, candidate))
  if (authority === undefined || certificate.ca) return bad('untrusted')
  const name = serviceName(certificate, judging.services)
  if (name === undefined) return bad('malformed')

  const notBeforeNs = latest(
    nanoseconds(certificate.validFromDate),
    nanoseconds(authority.validFromDate),
  )
  const notAfterNs = -latest(
    -nanoseconds(certificate.validToDate),
    -nanoseconds(authority.validToDate),
  )
  const isLongLived = notAfterNs - nanoseconds(certificate.validFromDate) > longLivedNs
  const actor = provenActor(
    judging.naming,
    { type: 'service', issuer: '', name, groups: [] },
    {
      kind: 'client_certificate',
      fingerprint: fingerprintOf(judging.naming, der),
      expires: Number(notAfterNs / 1_000_000_000n),
      defects: isLongLived ? ['long_lived'] : [],
    },
  )
  return { notBeforeNs, notAfterNs, actor }
}

function parse(der: Uint8Array): X509Certificate | undefined {
  try {
    return new X509Certificate(der)
  } catch {
    return undefined // Not a certificate: recorded as malformed.
  }
}

function isSignedBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  try {
    return (
      authority.ca && certificate.checkIssued(authority) && certificate.verify(authority.publicKey)
    )
  } catch {
    return false // A key this OpenSSL refuses to use signs nothing.
  }
}

function serviceName(
  certificate: X509Certificate,
  services: ReadonlySet<string>,
): string | undefined {
  const entries = alternativeNames(certificate.subjectAltName)
  if (entries === undefined) return undefined
  const uris = entries.filter(([kind]) => kind === 'URI').map(([, value]) => value)
  const spiffe = uris.filter((uri) => uri.toLowerCase().startsWith('spiffe:'))
  if (spiffe.length > 0) {
    // SPIFFE allows one URI; a second one would let two readers see two workloads.
    return uris.length === 1 ? spiffeName(spiffe[0] ?? '') : undefined
  }
  const names = entries.filter(([kind]) => kind === 'DNS').map(([, value]) => value.toLowerCase())
  if (names.length > 0) {
    const usable = names.filter(isName)
    return usable.find((name) => services.has(name)) ?? usable[0]
  }
  const commonNames = certificate.subject.split('\n').filter((line) => line.startsWith('CN='))
  const name = commonNames.length === 1 ? commonNames[0]?.slice(3) : undefined
  return name !== undefined && isName(name) ? name : undefined
}

function spiffeName(uri: string): string | undefined {
  const [, path] = /^spiffe:\/\/[a-z0-9._-]+((?:\/[A-Za-z0-9._-]+)+)$/.exec(uri) ?? []
  const segments = path?.slice(1).split('/') ?? []
  const last = segments.at(-1)
  if (last === undefined || segments.some((segment) => segment === '.' || segment === '..'))
    return undefined
  return last
}

/** Node's text form. It quotes a value with unusual characters; no name of a service needs that, so it is refused. */
function alternativeNames(text: string | undefined): [kind: string, value: string][] | undefined {
  if (text === undefined) return []
  if (text.includes('"')) return undefined
  return text.split(', ').map((entry) => {
    const colon = entry.indexOf(':')
    return [entry.slice(0, colon), entry.slice(colon + 1)]
  })
}

function isName(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/.test(text)
}

function bad(defect: CredentialDefect): Judged {
  return { defect, notBeforeNs: 0n, notAfterNs: 0n, actor: undefined }
}

function nanoseconds(date: Date): bigint {
  return BigInt(date.getTime()) * 1_000_000n
}

function latest(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}
