/** What the addenda keep of an exchange, as deep as its decision asked for; redacted before it gets there. */
import { BODY_PIECE_BYTES_MAX, encodeAddendum, encodeBody } from '@countersign/record/encode'
import type { Addendum } from '@countersign/record/leaf'
import { openSalts } from '@countersign/record/salt'
import type { Header } from '@countersign/record/vocabulary'
import { redactBody, redacted, redactHeaders } from './redact.ts'

const salt = openSalts()

/** Which half of an exchange an addendum is about. */
export type Half = 'request' | 'response'

/** Keeps the beginning of a body while it streams past. */
export interface BodyTap {
  readonly bytesMax: number
  readonly pieces: Buffer[]
  bytes: number
}

/** A tap that keeps at most `bytesMax` bytes. */
export function openTap(bytesMax: number): BodyTap {
  return { bytesMax, pieces: [], bytes: 0 }
}

/** Shows a tap what passes; it keeps references, not copies. */
export function tap(body: BodyTap, chunk: Buffer): void {
  const room = body.bytesMax - body.bytes
  if (room <= 0) return
  body.pieces.push(chunk.length <= room ? chunk : chunk.subarray(0, room))
  body.bytes += Math.min(room, chunk.length)
}

/** The headers of one half. */
export function headersAddendum(half: Half, headers: readonly Header[]): Addendum {
  return encodeAddendum(`${half}.headers`, { headers: redactHeaders(headers) }, salt())
}

/** The kept beginning of a body, in pieces that fit; nothing for an empty one. */
export function bodyAddenda(half: Half, body: BodyTap, headers: readonly Header[]): Addendum[] {
  if (body.bytes === 0) return []
  const encoding = headerValue(headers, 'content-encoding')
  // A secret inside compressed bytes would pass redaction unseen.
  const kept =
    encoding === undefined || encoding === 'identity'
      ? redactBody(Buffer.concat(body.pieces, body.bytes), headerValue(headers, 'content-type'))
      : Buffer.from(`${redacted}: content-encoding ${encoding}`)
  const addenda: Addendum[] = []
  for (let at = 0; at < kept.length; at += BODY_PIECE_BYTES_MAX) {
    addenda.push(encodeBody(`${half}.body`, kept.subarray(at, at + BODY_PIECE_BYTES_MAX), salt()))
  }
  return addenda
}

/** Flat name, value, name, value as pairs. */
export function pairHeaders(flat: readonly string[]): Header[] {
  const pairs: Header[] = []
  for (let at = 0; at + 1 < flat.length; at += 2) pairs.push([flat[at] ?? '', flat[at + 1] ?? ''])
  return pairs
}

function headerValue(headers: readonly Header[], name: string): string | undefined {
  return headers.find(([each]) => each === name)?.[1]
}
