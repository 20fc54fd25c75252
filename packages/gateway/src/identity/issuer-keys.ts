/**
 * The keys of one issuer. Holds the last key set that could be read; guarantees that one fetch is under way at a time
 * and that a flood of unknown key ids causes one fetch in `coolDownMs`. If lost, it is fetched again.
 */
import { importJWK } from 'jose'
import type { CryptoKey, JWK } from 'jose'
import { z } from 'zod'
import type { Clock } from '../platform.ts'
import { mayFetch } from './fetch-json.ts'
import type { FetchJson } from './fetch-json.ts'

export type KeyFound =
  | { readonly key: CryptoKey }
  | { readonly defect: 'unknown_key' | 'keys_unavailable' }

export interface IssuerKeys {
  find(kid: string | undefined, alg: string): Promise<KeyFound>
}

export interface IssuerKeysOptions {
  readonly issuer: string
  readonly jwks: string | undefined
  readonly allowInsecureHttp: boolean
  readonly clock: Clock
  readonly fetchJson: FetchJson
  /** Called when a key that was there is there no longer: what it verified must be verified again. */
  readonly onWithdrawn: () => void
}

const msNs = 1_000_000n
const coolDownNs = 30_000n * msNs
/** While there are no keys at all, as at boot before the provider is up. */
const retryNs = 2_000n * msNs
const refreshNs = 600_000n * msNs
/** Keys outlive a provider that does not answer by this much. */
const staleMaxNs = 86_400_000n * msNs
const keysMax = 64
const rsaBitsMin = 2_048

const discovery = z.object({ issuer: z.string(), jwks_uri: z.url() })
const jwkSet = z.object({ keys: z.array(z.record(z.string(), z.unknown())).max(keysMax) })

interface Fetched {
  readonly keys: readonly PublicJwk[]
  readonly atNs: bigint
}

/** A usable signature key, with the imported forms it has taken. */
interface PublicJwk {
  readonly jwk: JWK
  readonly text: string
  readonly imported: Map<string, CryptoKey>
}

export function openIssuerKeys(options: IssuerKeysOptions): IssuerKeys {
  let fetched: Fetched | undefined
  let attemptNs: bigint | undefined
  let underWay: Promise<void> | undefined

  const fetchOnce = (): Promise<void> => {
    if (underWay !== undefined) return underWay
    attemptNs = options.clock.monotonicNs()
    underWay = fetchKeys(options)
      .then((keys) => {
        const before = fetched?.keys ?? []
        fetched = { keys, atNs: options.clock.monotonicNs() }
        const now = new Set(keys.map((key) => key.text))
        if (before.some((key) => !now.has(key.text))) options.onWithdrawn()
      })
      // Stale keys are better than none; without any, the token is recorded with keys_unavailable.
      .catch(() => undefined)
      .finally(() => {
        underWay = undefined
      })
    return underWay
  }
  const sinceAttempt = (): bigint =>
    attemptNs === undefined ? coolDownNs : options.clock.monotonicNs() - attemptNs
  const isStale = (): boolean =>
    fetched !== undefined && options.clock.monotonicNs() - fetched.atNs > staleMaxNs

  return {
    async find(kid, alg) {
      if (fetched === undefined || isStale()) {
        if (underWay !== undefined || sinceAttempt() >= retryNs) await fetchOnce()
        if (fetched === undefined || isStale()) return { defect: 'keys_unavailable' }
      } else if (
        options.clock.monotonicNs() - fetched.atNs > refreshNs &&
        sinceAttempt() >= coolDownNs
      ) {
        void fetchOnce() // In the background: nobody waits for a routine refresh. It never rejects.
      }
      let found = pick(fetched.keys, kid, alg)
      if (found === undefined && (underWay !== undefined || sinceAttempt() >= coolDownNs)) {
        await fetchOnce()
        found = pick(fetched.keys, kid, alg)
      }
      return found === undefined ? { defect: 'unknown_key' } : { key: await imported(found, alg) }
    },
  }
}

/** @throws whatever went wrong; the caller keeps what it has. */
async function fetchKeys(options: IssuerKeysOptions): Promise<PublicJwk[]> {
  const jwksUrl = options.jwks ?? (await discover(options))
  const { keys } = jwkSet.parse(await options.fetchJson(allowed(jwksUrl, options)))
  const usable = keys
    .filter(isUsable)
    .map((jwk) => ({ jwk, text: JSON.stringify(jwk), imported: new Map() }))
  if (usable.length === 0) throw new Error('the key set holds no usable signature key')
  return usable
}

async function discover(options: IssuerKeysOptions): Promise<string> {
  const url = `${options.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const found = discovery.parse(await options.fetchJson(allowed(url, options)))
  // OpenID Connect Discovery 1.0, section 4.3: otherwise one issuer could answer for another.
  if (found.issuer !== options.issuer)
    throw new Error('the discovery document is of another issuer')
  return found.jwks_uri
}

function allowed(text: string, options: IssuerKeysOptions): URL {
  const url = new URL(text)
  if (!mayFetch(url, options.allowInsecureHttp)) throw new Error(`${url.origin} is not https`)
  return url
}

function isUsable(jwk: Readonly<Record<string, unknown>>): jwk is JWK & Record<string, unknown> {
  if (jwk['use'] !== undefined && jwk['use'] !== 'sig') return false
  const { kty, n } = jwk
  if (kty === 'RSA') return typeof n === 'string' && n.length * 6 >= rsaBitsMin
  return kty === 'EC' || kty === 'OKP'
}

/** `kid` only looks up. A token without one is matched when a single key could have signed it. */
function pick(
  keys: readonly PublicJwk[],
  kid: string | undefined,
  alg: string,
): PublicJwk | undefined {
  const fitting = keys.filter(
    ({ jwk }) => suits(jwk, alg) && (kid === undefined || jwk.kid === kid),
  )
  return fitting.length === 1 ? fitting[0] : undefined
}

const curves: Readonly<Record<string, string>> = {
  ES256: 'P-256',
  ES384: 'P-384',
  ES512: 'P-521',
  EdDSA: 'Ed25519',
}

function suits(jwk: JWK, alg: string): boolean {
  if (jwk.alg !== undefined && jwk.alg !== alg && !(jwk.alg === 'Ed25519' && alg === 'EdDSA'))
    return false
  const curve = curves[alg]
  return curve === undefined ? jwk.kty === 'RSA' : jwk.crv === curve
}

async function imported(found: PublicJwk, alg: string): Promise<CryptoKey> {
  const known = found.imported.get(alg)
  if (known !== undefined) return known
  // Only the public members: a provider that leaks its private key must not make us hold it.
  const { kty, n, e, crv, x, y } = found.jwk
  const members = Object.entries({ kty, n, e, crv, x, y }).filter(
    ([, value]) => value !== undefined,
  )
  const key = await importJWK(Object.fromEntries(members) as JWK, alg)
  if (key instanceof Uint8Array) throw new TypeError('a symmetric key can not be public')
  found.imported.set(alg, key)
  return key
}
