/**
 * Who made a request, by the strongest proof it presents: client certificate, token or key, proxy credential, source
 * address. A proof that was presented and is bad is never rescued by a weaker one: the actor is then unknown.
 */
import type { Actor, Captured } from '@countersign/record/vocabulary'
import type { LoadedConfig } from '../config.ts'
import type { Clock } from '../platform.ts'
import { anonymous, worthless } from './actors.ts'
import type { Naming } from './actors.ts'
import { listApiKeys } from './api-key-file.ts'
import { holdApiKeys } from './api-keys.ts'
import type { ApiKeys, KeyForSubject } from './api-keys.ts'
import { readAuthorities, trustCertificates } from './certificate.ts'
import type { Certificates } from './certificate.ts'
import { IdentityError } from './errors.ts'
import { openFetchJson } from './fetch-json.ts'
import { openIssuerKeys } from './issuer-keys.ts'
import type { IssuerKeys } from './issuer-keys.ts'
import { openKnownKeys } from './known-keys.ts'
import type { KeyChange } from './known-keys.ts'
import { isOperatorKey, knowOperator } from './operator.ts'
import type { Operator, OperatorKeys } from './operator.ts'
import { knowSources } from './sources.ts'
import type { Sources } from './sources.ts'
import { openSubjects } from './subjects.ts'
import { acceptTokens } from './tokens.ts'
import type { Issuer, IssuerConfig, Tokens } from './tokens.ts'

/** The room, open. */
export interface Identity {
  /**
   * Never throws or rejects for what a client presents: a bad credential is an actor with defects.
   * @throws {IdentityError} `IDENTITY_SUBJECTS_UNAVAILABLE` when a new pseudonym can not be stored: answer 503.
   */
  identify(captured: Captured): Actor | Promise<Actor>
  /** Puts another configuration, and the key files as they are now, in force; if it throws, the old one stays. */
  reload(loaded: LoadedConfig): Promise<void>
  /** API keys made or revoked, and not on record yet. */
  keyChanges(): readonly KeyChange[]
  /** These changes are on record now. */
  keysRecorded(changes: readonly KeyChange[]): void
  close(): Promise<void>
}

export interface IdentityOptions {
  readonly loaded: LoadedConfig
  readonly clock: Clock
  /** Folder for the pseudonyms; made when absent. */
  readonly stateDir: string
  /** 32 random bytes. */
  readonly fingerprintKey: Uint8Array
  /** Who may come in by a key that this process made; absent: nobody. */
  readonly operator?: Operator
}

interface InForce {
  readonly certificates: Certificates | undefined
  readonly tokens: Tokens
  readonly keys: ApiKeys
  readonly operator: OperatorKeys
  readonly proxyKeys: ApiKeys
  readonly sources: Sources
  /** Ids of all API keys, and whether each still counts. */
  readonly keyIds: ReadonlyMap<string, boolean>
}

/**
 * Opens the pseudonyms and reads key files and authorities; keys of issuers are fetched when first needed.
 * @throws {IdentityError}
 */
export async function openIdentity(options: IdentityOptions): Promise<Identity> {
  const subjects = await openSubjects(options.stateDir)
  const known = await openKnownKeys(options.stateDir)
  const naming: Naming = { subjects, fingerprintKey: options.fingerprintKey }
  // One for all versions of the configuration: it lives as long as the process.
  const operator = knowOperator(options.operator, naming)
  const fetcher = openFetchJson()
  const issuerKeys = new Map<string, IssuerKeys>()
  const rules = { inForce: undefined as InForce | undefined }
  // Keys that were fetched survive a reload: it must not depend on the provider being up.
  const keysOf = (config: IssuerConfig): IssuerKeys => {
    const { issuer, jwks, allowInsecureHttp } = config
    const id = JSON.stringify([issuer, jwks, allowInsecureHttp])
    const onWithdrawn = (): void => rules.inForce?.tokens.forget()
    const keys =
      issuerKeys.get(id) ??
      openIssuerKeys({
        issuer,
        jwks,
        allowInsecureHttp,
        onWithdrawn,
        clock: options.clock,
        fetchJson: fetcher.fetchJson,
      })
    issuerKeys.set(id, keys)
    return keys
  }
  let inForce: InForce
  try {
    inForce = rules.inForce = await readRules(options.loaded, { naming, operator }, keysOf)
  } catch (error) {
    subjects.close()
    known.close()
    await fetcher.close()
    throw error
  }
  return {
    identify(captured) {
      // Whoever was forgotten comes back as somebody new: no actor with the old pseudonym is handed out again.
      if (subjects.forgotten()) forgetActors(inForce)
      return identify(inForce, captured, naming)
    },
    async reload(loaded) {
      inForce = rules.inForce = await readRules(loaded, { naming, operator }, keysOf)
    },
    keyChanges: () => known.changes(inForce.keyIds),
    keysRecorded: (changes) => known.recorded(changes),
    async close() {
      await fetcher.close()
      subjects.close()
      known.close()
    },
  }
}

function forgetActors(inForce: InForce): void {
  const { certificates, tokens, keys, operator, proxyKeys, sources } = inForce
  for (const holder of [certificates, tokens, keys, operator, proxyKeys, sources]) holder?.forget()
}

function identify(rules: InForce, captured: Captured, naming: Naming): Actor | Promise<Actor> {
  const certificate = captured.peer.tls?.certificate
  if (certificate !== undefined && rules.certificates !== undefined) {
    return rules.certificates.identify(certificate, captured.occurredNs)
  }
  return captured.direction === 'inbound'
    ? identifyInbound(rules, captured, naming)
    : identifyCaller(rules, captured, naming)
}

function identifyInbound(
  rules: InForce,
  captured: Captured,
  naming: Naming,
): Actor | Promise<Actor> {
  const { authorization, apiKey } = captured.presented
  if (authorization !== undefined) {
    const bearer = bearerOf(authorization)
    if (bearer === undefined)
      return worthless(naming, { kind: 'jwt', secret: authorization }, ['malformed'])
    if (isOperatorKey(bearer)) return rules.operator.identify(bearer)
    if (bearer.startsWith('csk_')) return rules.keys.identify(bearer, captured.occurredNs)
    return rules.tokens.identify(bearer, captured.occurredNs)
  }
  if (apiKey === undefined) return anonymous
  if (isOperatorKey(apiKey)) return rules.operator.identify(apiKey)
  return rules.keys.identify(apiKey, captured.occurredNs)
}

/** On the way out `Authorization` is for the destination; only what is meant for the proxy counts. */
function identifyCaller(rules: InForce, captured: Captured, naming: Naming): Actor {
  const { proxyAuthorization } = captured.presented
  if (proxyAuthorization === undefined)
    return rules.sources.identify(captured.peer.address) ?? anonymous
  const presented = proxyCredentialOf(proxyAuthorization)
  const refuse = (): Actor =>
    worthless(naming, { kind: 'proxy_credential', secret: proxyAuthorization }, ['malformed'])
  if (presented === undefined) return refuse()
  const { service, key } = presented
  // Who says "billing" with a key of another service is neither.
  if (service !== undefined && (rules.proxyKeys.subjectOf(key) ?? service) !== service)
    return refuse()
  return rules.proxyKeys.identify(key, captured.occurredNs)
}

/** By hand: a regular expression over a whole token costs as much as hashing it. */
function bearerOf(authorization: string): string | undefined {
  if (authorization.slice(0, 7).toLowerCase() !== 'bearer ') return undefined
  const token = authorization.slice(7).trimStart()
  return token === '' || token.includes(' ') || token.includes('\t') ? undefined : token
}

function proxyCredentialOf(header: string): { service?: string; key: string } | undefined {
  const key = bearerOf(header)
  if (key !== undefined) return { key }
  const [, encoded = ''] = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header) ?? []
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon < 1 ? undefined : { service: text.slice(0, colon), key: text.slice(colon + 1) }
}

async function readRules(
  loaded: LoadedConfig,
  { naming, operator }: { naming: Naming; operator: OperatorKeys },
  keysOf: (config: IssuerConfig) => IssuerKeys,
): Promise<InForce> {
  const { identities, services } = loaded.config
  const issuers = new Map<string, Issuer>()
  const authorities = []
  const keys: KeyForSubject[] = []
  for (const identity of identities) {
    if ('issuer' in identity)
      issuers.set(identity.issuer, { config: identity, keys: keysOf(identity) })
    else if ('clientCertificates' in identity) {
      authorities.push(...(await readAuthorities(loaded.resolve(identity.clientCertificates))))
    } else {
      for (const entry of await listApiKeys(loaded.resolve(identity.keys))) {
        keys.push({
          entry,
          subject: { type: entry.type, issuer: '', name: entry.name, groups: entry.groups },
        })
      }
    }
  }
  const proxyKeys: KeyForSubject[] = []
  const sources = new Map<string, readonly string[]>()
  for (const [name, { egress }] of Object.entries(services)) {
    if (egress === undefined) continue
    sources.set(name, egress.sourceAddresses)
    if (egress.credentials === undefined) continue
    // The file says which service a key is for; what the entry calls itself does not matter here.
    const subject = { type: 'service', issuer: '', name, groups: [] } as const
    for (const entry of await listApiKeys(loaded.resolve(egress.credentials)))
      proxyKeys.push({ entry, subject })
  }
  refuseSharedIds(keys)
  refuseSharedIds(proxyKeys)
  const serviceNames = new Set(Object.keys(services))
  return {
    certificates:
      authorities.length === 0 ? undefined : trustCertificates(authorities, serviceNames, naming),
    tokens: acceptTokens(issuers, naming),
    keys: holdApiKeys(keys, naming, 'api_key'),
    operator,
    proxyKeys: holdApiKeys(proxyKeys, naming, 'proxy_credential'),
    sources: knowSources(sources, naming),
    keyIds: new Map(
      [...keys, ...proxyKeys].map(({ entry }) => [entry.id, entry.revoked === undefined]),
    ),
  }
}

/** A key that two files hold would stand for two actors. */
function refuseSharedIds(keys: readonly KeyForSubject[]): void {
  const seen = new Set<string>()
  for (const { entry, subject } of keys) {
    if (seen.has(entry.id)) {
      const message = `could not use the key files: key ${entry.id} (${subject.name}) is in two of them; remove one`
      throw new IdentityError('IDENTITY_KEYS_AMBIGUOUS', message)
    }
    seen.add(entry.id)
  }
}
