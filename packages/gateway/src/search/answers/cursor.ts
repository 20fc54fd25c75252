/**
 * Where the next page begins. A cursor also holds how far each log was read when the first page was asked, and what `since:24h` meant
 * then: later pages are of the same rows, however the logs grow. It is no secret and no credential: whoever changes one gets other pages
 * of what they may see anyhow, so it carries a digest of what it belongs to against mistakes, and every number in it is bound, not spliced.
 */
import { createHash } from 'node:crypto'
import type { Asking, PageRequest, Question } from '@countersign/record/question'
import { SearchError } from '../errors.ts'
import { printFilter } from '../language/print.ts'
import { printTime } from '../language/quantities.ts'

/** How far one log was read, when the first page was asked. */
export interface LogSize {
  readonly origin: string
  /** Leaves before this one count. */
  readonly size: number
}

/** The place of a row among all: by when it began, and its first leaf. Both stay when an open transaction ends. */
export interface RowPlace {
  readonly timeNs: bigint
  readonly origin: string
  readonly firstLeaf: number
}

export interface Position {
  readonly after: RowPlace
  readonly sizes: readonly LogSize[]
  readonly sinceNs?: bigint
  readonly untilNs?: bigint
}

/** Characters of a cursor. */
export const CURSOR_CHARACTERS_MAX = 16_384
/** Logs that one cursor can hold: 16 bytes each. */
export const CURSOR_LOGS_MAX = 700

const VERSION = 1
const DIGEST_BYTES = 12
const ORIGIN_BYTES = 8
const HEAD_BYTES = 1 + DIGEST_BYTES + 8 * 2 + 2 + 8 * 2

type Asked = Pick<PageRequest, 'question' | 'order'> & { readonly asking: Asking }

/** @throws {SearchError} `SEARCH_LIMIT` where there are more logs than a cursor can hold */
export function encodeCursor({ after, sizes, sinceNs, untilNs }: Position, asked: Asked): string {
  if (sizes.length > CURSOR_LOGS_MAX) {
    throw new SearchError(
      'SEARCH_LIMIT',
      `could not answer in pages: the index follows more than ${CURSOR_LOGS_MAX} logs`,
      { hint: 'ask for one of them, such as origin:audit.example.com/eu-1, or for less time' },
    )
  }
  const bytes = Buffer.alloc(HEAD_BYTES + sizes.length * (ORIGIN_BYTES + 8))
  let at = bytes.writeUInt8(VERSION)
  at += digestOf(asked).copy(bytes, at)
  at = bytes.writeBigInt64BE(sinceNs ?? -1n, at)
  at = bytes.writeBigInt64BE(untilNs ?? -1n, at)
  at = bytes.writeUInt16BE(
    sizes.findIndex(({ origin }) => origin === after.origin),
    at,
  )
  at = bytes.writeBigInt64BE(after.timeNs, at)
  at = bytes.writeBigInt64BE(BigInt(after.firstLeaf), at)
  for (const { origin, size } of sizes) {
    at += nameOf(origin).copy(bytes, at)
    at = bytes.writeBigInt64BE(BigInt(size), at)
  }
  return bytes.toString('base64url')
}

/**
 * Attacker-controlled: whatever comes is read as numbers, or refused.
 * @param logs that the index knows now
 * @throws {SearchError} `SEARCH_CURSOR`
 */
export function decodeCursor(cursor: string, asked: Asked, logs: readonly LogSize[]): Position {
  if (cursor.length > CURSOR_CHARACTERS_MAX) throw refused('it is too long to be one')
  const bytes = Buffer.from(cursor, 'base64url')
  if (bytes.toString('base64url') !== cursor) throw refused('it is not whole, or none of ours')
  if (bytes[0] !== VERSION) throw refused('it is of another version, or none of ours')
  const logBytes = bytes.length - HEAD_BYTES
  if (logBytes <= 0 || logBytes % (ORIGIN_BYTES + 8) !== 0) throw refused('it is not whole')
  if (!bytes.subarray(1, 1 + DIGEST_BYTES).equals(digestOf(asked)))
    throw refused('it is of another question, order or reader')
  let at = 1 + DIGEST_BYTES
  const [sinceNs, untilNs] = [bytes.readBigInt64BE(at), bytes.readBigInt64BE(at + 8)]
  const originAt = bytes.readUInt16BE(at + 16)
  const timeNs = bytes.readBigInt64BE(at + 18)
  const firstLeaf = leafOf(bytes.readBigInt64BE(at + 26))
  const known = new Map(logs.map(({ origin }) => [nameOf(origin).toString('hex'), origin]))
  const sizes: LogSize[] = []
  for (at = HEAD_BYTES; at < bytes.length; at += ORIGIN_BYTES + 8) {
    const origin = known.get(bytes.subarray(at, at + ORIGIN_BYTES).toString('hex'))
    if (origin === undefined) throw refused('it is of a log that this index does not hold')
    sizes.push({ origin, size: leafOf(bytes.readBigInt64BE(at + ORIGIN_BYTES)) })
  }
  const origin = sizes[originAt]?.origin
  if (origin === undefined || timeNs < 0n) throw refused('it points nowhere')
  return {
    after: { timeNs, origin, firstLeaf },
    sizes,
    ...(sinceNs < 0n ? {} : { sinceNs }),
    ...(untilNs < 0n ? {} : { untilNs }),
  }
}

function leafOf(value: bigint): number {
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) throw refused('it points nowhere')
  return Number(value)
}

function refused(why: string): SearchError {
  return new SearchError('SEARCH_CURSOR', `could not go on at this cursor: ${why}`, {
    hint: 'ask the question again without a cursor',
  })
}

function nameOf(origin: string): Buffer {
  return createHash('sha256').update(origin).digest().subarray(0, ORIGIN_BYTES)
}

/** What a cursor belongs to. */
function digestOf({ question, order = 'newest', asking }: Asked): Buffer {
  const said = [
    order,
    boundText(question.since, question.sinceNs),
    boundText(question.until, question.untilNs),
    printFilter(question.filter),
    scopeText(asking.scope),
    asking.unmasked ? 'unmasked' : 'masked',
  ]
  return createHash('sha256').update(JSON.stringify(said)).digest().subarray(0, DIGEST_BYTES)
}

function boundText(written: Question['since'], ns: bigint | undefined): string {
  return written ?? (ns === undefined ? '' : printTime(ns))
}

function scopeText(scope: Asking['scope']): readonly string[] {
  switch (scope.kind) {
    case 'all':
      return ['all']
    case 'services':
      return ['services', ...scope.services.toSorted()]
    case 'self':
      return ['self', scope.actor]
    default:
      return scope satisfies never
  }
}
