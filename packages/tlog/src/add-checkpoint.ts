import { parseCheckpoint } from './checkpoint.ts'
import { TlogError } from './errors.ts'
import { formatHashLines, parseHashLines } from './hash-lines.ts'
import { NOTE_BYTES_MAX, parseNote } from './note.ts'
import { checkUint64, parseDecimal } from './size.ts'
import { byteLength, decodeText } from './text.ts'

/** The body of a request to `add-checkpoint`; `checkpoint` is the whole signed note. */
export interface AddCheckpoint {
  readonly oldSize: bigint
  readonly proof: readonly Uint8Array[]
  readonly checkpoint: string
}

/** Hashes in a request: one fewer than a proof may have, by tlog-witness. */
export const ADD_CHECKPOINT_HASHES_MAX = 63

/** Bytes of a request: the old size, 63 hashes, and a note. */
export const ADD_CHECKPOINT_BYTES_MAX: number = NOTE_BYTES_MAX + 4096

/** Content type of the answer 409, whose body is the latest size. */
export const TLOG_SIZE_TYPE = 'text/x.tlog.size'

/**
 * Reads the body of a request to `add-checkpoint`: `old <size>`, up to 63 hashes, a blank line, a checkpoint. Nothing is verified.
 * @throws {TlogError} `ADD_CHECKPOINT_MALFORMED`, `PROOF_TOO_LONG`, and the codes of `parseNote`, `parseCheckpoint`, a decimal or a hash:
 * all of them are a 400
 * @see https://c2sp.org/tlog-witness, "add-checkpoint"
 */
export function parseAddCheckpoint(body: Uint8Array | string): AddCheckpoint {
  // Attacker-controlled: the limit comes first, so that nothing below works on more.
  if (byteLength(body) > ADD_CHECKPOINT_BYTES_MAX)
    throw malformed(`it is over ${ADD_CHECKPOINT_BYTES_MAX} bytes`)
  const text = decodeText(body)
  const split = text.indexOf('\n\n')
  if (split < 0) throw malformed('it has no blank line before its checkpoint')
  const [first = '', ...lines] = text.slice(0, split).split('\n')
  if (!first.startsWith('old ')) throw malformed('it must start with "old " and a size')
  if (lines.length > ADD_CHECKPOINT_HASHES_MAX) {
    throw new TlogError(
      'PROOF_TOO_LONG',
      `could not read the request: it has over ${ADD_CHECKPOINT_HASHES_MAX} hashes`,
    )
  }
  const checkpoint = text.slice(split + 2)
  parseCheckpoint(parseNote(checkpoint).text)
  return {
    oldSize: parseDecimal(first.slice('old '.length)),
    proof: parseHashLines(lines),
    checkpoint,
  }
}

/** The body of a request to `add-checkpoint`. @throws {TlogError} `SIZE_UNSAFE`, `HASH_LENGTH`, `PROOF_TOO_LONG`, and the codes of a bad checkpoint */
export function formatAddCheckpoint(request: AddCheckpoint): string {
  checkUint64(request.oldSize, 'a tree size')
  const body = `old ${request.oldSize}\n${formatHashLines(request.proof)}\n${request.checkpoint}`
  parseAddCheckpoint(body)
  return body
}

/** The body of the answer 409: the latest size, of type `text/x.tlog.size`. @throws {TlogError} `SIZE_UNSAFE` */
export function formatLatestSize(size: bigint): string {
  checkUint64(size, 'a tree size')
  return `${size}\n`
}

/** Reads the body of the answer 409. @throws {TlogError} `DECIMAL_MALFORMED`, also without its newline */
export function parseLatestSize(body: Uint8Array | string): bigint {
  const text = decodeText(body)
  if (!text.endsWith('\n'))
    throw new TlogError('DECIMAL_MALFORMED', 'could not read the latest size: it has no newline')
  return parseDecimal(text.slice(0, -1))
}

function malformed(why: string): TlogError {
  return new TlogError('ADD_CHECKPOINT_MALFORMED', `could not read the request: ${why}`)
}
