/**
 * JWTs of the configured issuers. Holds what was verified, by SHA-256 of the token, at most until it expires;
 * guarantees that no token is believed without a signature by a key of its own issuer. If lost, tokens are verified anew.
 */
import { compactVerify, errors } from 'jose'
import type { Actor, CredentialDefect } from '@countersign/record/vocabulary'
import type { IdentityConfig } from '../config/schema.ts'
import { sha256Hex } from '../cryptography.ts'
import { Lru } from '../platform.ts'
import { fingerprintOf, provenActor, unknownActor } from './actors.ts'
import type { Naming } from './actors.ts'
import type { IssuerKeys } from './issuer-keys.ts'
import { readToken } from './token.ts'
import type { Claims, ReadToken } from './token.ts'

export type IssuerConfig = Extract<IdentityConfig, { issuer: string }>

/** An issuer with its keys. */
export interface Issuer {
  readonly config: IssuerConfig
  readonly keys: IssuerKeys
}

export interface Tokens {
  /** Judges a token at a time (nanoseconds since the epoch); at once when it is known already. */
  identify(text: string, nowNs: bigint): Actor | Promise<Actor>
  /** Forgets what was verified: a key was withdrawn, or a person is to be forgotten. */
  forget(): void
}

interface Verified {
  readonly actor: Actor
  readonly notBeforeNs: bigint
  readonly expiresNs: bigint
}

const cachedMax = 50_000
const skewNs = 60_000_000_000n
const groupsMax = 256
const nameCharactersMax = 256

export function acceptTokens(issuers: ReadonlyMap<string, Issuer>, naming: Naming): Tokens {
  const cache = new Lru<string, Verified>(cachedMax)
  const underWay = new Map<string, Promise<Verified | CredentialDefect[]>>()
  let epoch = 0

  const verifyOnce = (digest: string, text: string): Promise<Verified | CredentialDefect[]> => {
    const joined = underWay.get(digest)
    if (joined !== undefined) return joined
    const begun = epoch
    const fresh = verify(text, issuers, naming)
      .then((result) => {
        // A result from before a key was withdrawn must not outlive it.
        if (!Array.isArray(result) && begun === epoch) cache.set(digest, result)
        return result
      })
      .finally(() => underWay.delete(digest))
    underWay.set(digest, fresh)
    return fresh
  }
  const judge = (verified: Verified | CredentialDefect[], text: string, nowNs: bigint): Actor => {
    if (Array.isArray(verified)) return refused(naming, text, verified)
    if (nowNs >= verified.expiresNs + skewNs) return refused(naming, text, ['expired'])
    if (nowNs < verified.notBeforeNs - skewNs) return refused(naming, text, ['not_yet_valid'])
    return verified.actor
  }
  return {
    identify(text, nowNs) {
      const digest = sha256Hex(text)
      const known = cache.get(digest)
      if (known === undefined)
        return verifyOnce(digest, text).then((result) => judge(result, text, nowNs))
      if (nowNs >= known.expiresNs + skewNs) cache.delete(digest)
      return judge(known, text, nowNs)
    },
    forget() {
      epoch++
      cache.clear()
    },
  }
}

async function verify(
  text: string,
  issuers: ReadonlyMap<string, Issuer>,
  naming: Naming,
): Promise<Verified | CredentialDefect[]> {
  const token = readToken(text)
  if ('defect' in token) return [token.defect]
  const issuer = issuers.get(token.claims.iss)
  if (issuer === undefined) return ['unknown_issuer']
  const allowed: readonly string[] = issuer.config.algorithms
  if (!allowed.includes(token.alg)) return ['weak_alg']

  const found = await issuer.keys
    .find(token.kid, token.alg)
    .catch(() => ({ defect: 'unknown_key' }) as const)
  if ('defect' in found) return [found.defect]
  try {
    await compactVerify(text, found.key, { algorithms: [token.alg] })
  } catch (error) {
    const isForged = error instanceof errors.JWSSignatureVerificationFailed
    return [isForged ? 'bad_signature' : 'malformed']
  }
  // From here on the claims are the issuer's own words.
  return judgeClaims({ text, token, issuer: issuer.config, naming })
}

interface Believed {
  readonly text: string
  readonly token: ReadToken
  readonly issuer: IssuerConfig
  readonly naming: Naming
}

function judgeClaims({ text, token, issuer, naming }: Believed): Verified | CredentialDefect[] {
  const { claims } = token
  const wanted = Array.isArray(issuer.audience) ? issuer.audience : [issuer.audience]
  const defects: CredentialDefect[] = []
  if (claims.aud.length === 0) defects.push('aud_mismatch', 'no_aud')
  else if (!claims.aud.some((one) => wanted.includes(one))) defects.push('aud_mismatch')
  if (claims.exp === undefined) defects.push('malformed', 'no_exp')
  const name = claims[issuer.nameClaim]
  const groups = groupsOf(claims, issuer.groupsClaim)
  if (
    typeof name !== 'string' ||
    name === '' ||
    name.length > nameCharactersMax ||
    groups === undefined
  ) {
    defects.push('malformed')
  }
  if (
    claims.exp === undefined ||
    typeof name !== 'string' ||
    groups === undefined ||
    defects.length > 0
  ) {
    return [...new Set(defects)]
  }
  const email = claims['email']
  const subject = {
    type: issuer.type,
    issuer: issuer.issuer,
    name,
    groups,
    ...(typeof email === 'string' && email.length <= nameCharactersMax ? { email } : undefined),
  }
  const isLongLived = claims.exp * 1_000 - (claims.iat ?? 0) * 1_000 > issuer.maxLifetime
  const actor = provenActor(naming, subject, {
    kind: 'jwt',
    fingerprint: fingerprintOf(naming, text),
    issuer: issuer.issuer,
    audience: claims.aud,
    expires: Math.floor(claims.exp),
    ...mfaOf(claims),
    defects: isLongLived ? ['long_lived'] : [],
  })
  return { actor, notBeforeNs: nanoseconds(claims.nbf ?? 0), expiresNs: nanoseconds(claims.exp) }
}

/** @returns undefined when the claim is there and is no list of groups. */
function groupsOf(claims: Claims, name: string): readonly string[] | undefined {
  const value = claims[name]
  if (value === undefined || value === null) return []
  const list: unknown[] = Array.isArray(value) ? value : [value]
  if (list.length > groupsMax) return undefined
  const groups = list.filter((one) => typeof one === 'string')
  return groups.length === list.length ? groups : undefined
}

/** RFC 8176: absent when the issuer does not say how the person signed in. */
function mfaOf(claims: Claims): { mfa: boolean } | undefined {
  const methods = claims['amr']
  return Array.isArray(methods) ? { mfa: methods.includes('mfa') } : undefined
}

function refused(naming: Naming, text: string, defects: readonly CredentialDefect[]): Actor {
  return unknownActor({ kind: 'jwt', fingerprint: fingerprintOf(naming, text), defects })
}

function nanoseconds(seconds: number): bigint {
  return BigInt(Math.floor(seconds * 1_000)) * 1_000_000n
}
