/** One JWT, before any signature is checked: a single spelling, a small header, claims of the right types. */
import type { CredentialDefect } from '@countersign/record/vocabulary'
import { z } from 'zod'

/** A token whose form is sound. Nothing in it is true yet. */
export interface ReadToken {
  readonly alg: string
  readonly kid: string | undefined
  readonly claims: Claims
}

export type Claims = Readonly<Record<string, unknown>> & {
  readonly iss: string
  readonly aud: readonly string[]
  readonly exp: number | undefined
  readonly nbf: number | undefined
  readonly iat: number | undefined
}

/** Characters of a token; one more is `too_large`. */
export const tokenCharactersMax = 8_192

const seconds = z.number().min(0).max(1e11).optional()
const headerSchema = z.looseObject({ alg: z.string().max(16), kid: z.string().max(256).optional() })
const claimsSchema = z.looseObject({
  iss: z.string().max(2_048),
  aud: z
    .union([
      z
        .string()
        .max(2_048)
        .transform((one) => [one]),
      z.array(z.string().max(2_048)).max(64),
    ])
    .default([]),
  exp: seconds,
  nbf: seconds,
  iat: seconds,
})
/** Headers by which a token would choose its own key, or change what verifying means. */
const refusedHeaders = ['jku', 'x5u', 'jwk', 'x5c', 'crit', 'b64', 'zip', 'enc']

/** Attacker-controlled: reads a token's text strictly. */
export function readToken(text: string): ReadToken | { readonly defect: CredentialDefect } {
  if (text.length > tokenCharactersMax) return { defect: 'too_large' }
  const parts = text.split('.')
  const [header, payload, signature] = parts.map(decodePart)
  if (
    parts.length !== 3 ||
    header === undefined ||
    payload === undefined ||
    signature === undefined
  ) {
    // The third part of an unsecured token is empty, which is no spelling of a signature.
    return { defect: isUnsecured(text, header) ? 'weak_alg' : 'malformed' }
  }
  const head = headerSchema.safeParse(readJson(header))
  const claims = claimsSchema.safeParse(readJson(payload))
  if (!head.success || !claims.success) return { defect: 'malformed' }
  if (refusedHeaders.some((name) => Object.hasOwn(head.data, name))) return { defect: 'malformed' }
  const { iss, aud, exp, nbf, iat } = claims.data
  return {
    alg: head.data.alg,
    kid: head.data.kid,
    claims: { ...claims.data, iss, aud, exp, nbf, iat },
  }
}

/** Base64url without padding, and only its canonical spelling: decoders accept many, and each would be another token. */
function decodePart(part: string): Buffer | undefined {
  if (!/^[\w-]+$/.test(part)) return undefined
  const bytes = Buffer.from(part, 'base64url')
  return bytes.toString('base64url') === part ? bytes : undefined
}

function isUnsecured(text: string, header: Buffer | undefined): boolean {
  if (!/^[\w-]+\.[\w-]+\.$/.test(text) || header === undefined) return false
  const head = headerSchema.safeParse(readJson(header))
  return head.success && head.data.alg.toLowerCase() === 'none'
}

function readJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return undefined // Not JSON: the schema says malformed.
  }
}
