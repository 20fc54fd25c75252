import { decodeBase64, encodeBase64 } from './base64.ts'
import { TlogError } from './errors.ts'
import { checkHash, HASH_BYTES } from './hash.ts'
import { checkUint64, parseDecimal } from './size.ts'
import { decodeText } from './text.ts'

/** The head of a log: `root` is the 32-byte RFC 6962 root over the first `size` entries. */
export interface Checkpoint {
  readonly origin: string
  readonly size: bigint
  readonly root: Uint8Array
}

/**
 * Reads the text of a checkpoint (the signed note without blank line and signatures): origin, size, root, each ended by a newline.
 * Extension lines are refused: no monitor can audit them.
 * @throws {TlogError} `CHECKPOINT_MALFORMED`, `CHECKPOINT_EXTENSION`, `DECIMAL_MALFORMED`, `BASE64_MALFORMED`, `UTF8_MALFORMED`,
 * `CONTROL_CHARACTER`
 * @see https://c2sp.org/tlog-checkpoint
 */
export function parseCheckpoint(text: string): Checkpoint {
  if (!decodeText(text).endsWith('\n')) throw malformed('its last line has no newline')
  const lines = text.slice(0, -1).split('\n')
  const [origin, size, root] = lines
  if (origin === undefined || size === undefined || root === undefined)
    throw malformed('it has fewer than three lines')
  if (origin === '') throw malformed('its origin is empty')
  if (lines.length > 3) {
    throw new TlogError(
      'CHECKPOINT_EXTENSION',
      'could not read a checkpoint: extension lines are not accepted',
    )
  }
  const checkpoint: Checkpoint = { origin, size: parseDecimal(size), root: decodeBase64(root) }
  if (checkpoint.root.length !== HASH_BYTES) throw malformed(`its root is not ${HASH_BYTES} bytes`)
  return checkpoint
}

/**
 * The text of a checkpoint, ending in a newline: what is signed.
 * @throws {TlogError} `CHECKPOINT_MALFORMED`, `SIZE_UNSAFE`, `HASH_LENGTH`, `UTF8_MALFORMED`, `CONTROL_CHARACTER`
 */
export function formatCheckpoint(checkpoint: Checkpoint): string {
  const { origin, size, root } = checkpoint
  if (origin === '' || decodeText(origin).includes('\n'))
    throw malformed('an origin is one line that is not empty')
  checkUint64(size, 'a tree size')
  checkHash(root, 'the root of a checkpoint')
  return `${origin}\n${size}\n${encodeBase64(root)}\n`
}

function malformed(why: string): TlogError {
  return new TlogError('CHECKPOINT_MALFORMED', `could not read a checkpoint: ${why}`)
}
