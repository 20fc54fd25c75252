/** What the record says of a request's body without keeping it: type, size, digest, and the names of JSON members. */
import { createHash, type Hash } from 'node:crypto'
import type { Leaf } from '@countersign/record/leaf'

type Payload = NonNullable<NonNullable<Leaf['egress']>['payload']>

const keysMax = 64
const contentTypeBytesMax = 127

/** Watches a body pass. */
export interface PayloadWatch {
  see(chunk: Uint8Array): void
  /** The summary; `undefined` when the request had no body. A digest of half a body would say nothing, so it needs `complete`. */
  summary(complete: boolean): Payload | undefined
}

/** @param jsonBytesMax JSON bodies up to this size have their top-level keys listed. */
export function watchPayload(contentType: string | undefined, jsonBytesMax: number): PayloadWatch {
  const type = mediaType(contentType)
  const isJson = type !== undefined && /[/+]json$/.test(type)
  const pieces: Uint8Array[] = []
  let hash: Hash | undefined
  let bytes = 0
  return {
    see(chunk) {
      bytes += chunk.length
      hash ??= createHash('sha256')
      hash.update(chunk)
      if (!isJson) return
      if (bytes <= jsonBytesMax) pieces.push(chunk)
      else pieces.length = 0
    },
    summary(complete) {
      if (hash === undefined) return undefined
      const keys =
        complete && isJson && bytes <= jsonBytesMax ? jsonKeys(Buffer.concat(pieces)) : undefined
      return {
        ...(type === undefined ? {} : { content_type: type }),
        bytes,
        ...(complete ? { sha256: hash.digest('hex') } : {}),
        ...(keys === undefined ? {} : { keys }),
      }
    },
  }
}

/** Attacker-controlled, and kept for ever: the bare type, without parameters, or nothing. */
function mediaType(contentType: string | undefined): string | undefined {
  const [type = ''] = (contentType ?? '').split(';', 1)
  const name = type.trim().toLowerCase()
  return name.length <= contentTypeBytesMax && /^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+$/.test(name)
    ? name
    : undefined
}

/**
 * The names of the members of a JSON object, in its order. The leaf holds no personal data, and a map keyed by
 * mail address or phone number is a JSON object too: a key that does not look like a field's name is not told.
 */
function jsonKeys(body: Buffer): readonly string[] | undefined {
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch {
    // Not JSON, whatever its type says: the size and the digest stand.
    return undefined
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  return Object.keys(value)
    .slice(0, keysMax)
    .map((key) => (/^[A-Za-z_$][A-Za-z0-9_$-]{0,63}$/.test(key) ? key : '[redacted]'))
}
