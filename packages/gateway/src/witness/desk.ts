/**
 * Who asks, from where, and does it follow: the decision of C2SP `add-checkpoint`, the same for a signer and for a witness. It
 * holds nothing but the order of requests: compare and persist are one step, and only what is durable is answered.
 */
import { formatLatestSize, parseAddCheckpoint } from '@countersign/tlog/add-checkpoint'
import { parseCheckpoint } from '@countersign/tlog/checkpoint'
import { TlogError } from '@countersign/tlog/errors'
import { equalBytes } from '@countersign/tlog/hash'
import type { VerifierKey } from '@countersign/tlog/key'
import { formatNote, openNote } from '@countersign/tlog/note'
import { verifyWitnessConsistency } from '@countersign/tlog/proof'
import { ed25519Verify, mlDsa44, sha256 } from '../cryptography.ts'
import { WitnessError } from './errors.ts'
import type { Fork } from './evidence.ts'

/** What is known of one log. */
export interface Known {
  /** Of the last tree that was signed; the empty tree at first. */
  readonly size: bigint
  readonly root: Uint8Array
  /** The signed note of it, where one is kept. */
  readonly checkpoint?: string | undefined
  /** Only what one of these signed is considered. */
  readonly keys: readonly VerifierKey[]
}

/** A checkpoint that follows, and the lines that are to be answered. */
export interface Accepted {
  readonly origin: string
  readonly size: bigint
  readonly root: Uint8Array
  /** As it was asked for, without lines that nobody here verified. */
  readonly checkpoint: string
  readonly lines: readonly string[]
}

export interface DeskParts {
  /** @returns undefined for a log that is not known. */
  readonly known: (origin: string) => Known | undefined
  /** Signs the text of a checkpoint: lines without their newline. */
  readonly sign: (text: string) => Promise<readonly string[]>
  /** Makes it durable. @throws {WitnessError} `WITNESS_IO` is fatal. */
  readonly save: (accepted: Accepted) => void
  /** Told, before the answer, of what a log signed and does not follow. */
  readonly onFork?: (fork: Fork) => Promise<void>
  readonly onFatal: (error: WitnessError) => void
}

export interface Answer {
  readonly status: 200 | 400 | 403 | 404 | 409 | 422
  readonly body: string
}

export class Desk {
  readonly #parts: DeskParts
  #last: Promise<unknown> = Promise.resolve()
  #failed = false

  constructor(parts: DeskParts) {
    this.#parts = parts
  }

  /** Considers one request after the other. Rejects only once the state is lost, and then for ever. */
  async addCheckpoint(body: Uint8Array): Promise<Answer> {
    const answer = this.#last.then(async () => this.#consider(body))
    this.#last = answer.catch(() => undefined)
    return answer
  }

  async idle(): Promise<void> {
    await this.#last
  }

  /** The order is that of tlog-witness. */
  async #consider(body: Uint8Array): Promise<Answer> {
    if (this.#failed)
      throw new WitnessError('WITNESS_IO', 'could not sign: what was signed is not known')
    const request = attempt(() => readRequest(body))
    if (request instanceof TlogError) return { status: 400, body: `${request.message}\n` }
    const { origin, size, root, oldSize, proof } = request
    const known = this.#parts.known(origin)
    if (known === undefined) return { status: 404, body: 'unknown origin\n' }
    const signed = await believe(request.note, known.keys)
    if (signed === undefined)
      return { status: 403, body: 'no valid signature of a trusted key of this log\n' }
    const isSplit = size === known.size && !equalBytes(root, known.root)
    // Whatever the answer will be: two roots for one size are worth keeping.
    if (isSplit) await this.#tell('split', { ...request, note: signed.checkpoint }, known)
    if (oldSize > size) return { status: 400, body: 'the old size is larger than the new\n' }
    if (oldSize !== known.size) return { status: 409, body: formatLatestSize(known.size) }
    const claim = { oldSize, newSize: size, oldRoot: known.root, newRoot: root, proof }
    const refusal = attempt(() => verifyWitnessConsistency(claim, sha256))
    if (refusal instanceof TlogError) {
      if (!isSplit && oldSize > 0n)
        await this.#tell('unproven', { ...request, note: signed.checkpoint }, known)
      return { status: 422, body: `${refusal.message}\n` }
    }
    const lines = await this.#parts.sign(signed.text)
    this.#save({ origin, size, root, lines, checkpoint: signed.checkpoint })
    // Durable: a crash from here on loses an answer, never the memory that it was given.
    return { status: 200, body: lines.map((line) => `${line}\n`).join('') }
  }

  async #tell(kind: Fork['kind'], seen: Request, known: Known): Promise<void> {
    await this.#parts.onFork?.({
      kind,
      origin: seen.origin,
      held: known.checkpoint,
      heldSize: known.size,
      heldRoot: known.root,
      seen: seen.note,
      seenSize: seen.size,
      seenRoot: seen.root,
      proof: seen.proof,
    })
  }

  #save(accepted: Accepted): void {
    try {
      this.#parts.save(accepted)
    } catch (error) {
      this.#failed = true
      if (error instanceof WitnessError) this.#parts.onFatal(error)
      throw error
    }
  }
}

/** What is asked, in one piece; nothing of it is believed yet. */
interface Request {
  readonly oldSize: bigint
  readonly proof: readonly Uint8Array[]
  readonly note: string
  readonly origin: string
  readonly size: bigint
  readonly root: Uint8Array
}

/** @throws {TlogError} for whatever is a 400 */
function readRequest(body: Uint8Array): Request {
  const { oldSize, proof, checkpoint } = parseAddCheckpoint(body)
  const text = checkpoint.slice(0, checkpoint.lastIndexOf('\n\n') + 1)
  return { oldSize, proof, note: checkpoint, ...parseCheckpoint(text) }
}

/** The text, and the note without the lines of strangers; undefined unless a trusted key signed, or when one signed badly. */
async function believe(
  checkpoint: string,
  keys: readonly VerifierKey[],
): Promise<{ text: string; checkpoint: string } | undefined> {
  const trust = { keys, sha256, verify: ed25519Verify, verifyMlDsa44: mlDsa44.verify }
  try {
    const { note, verified } = await openNote(checkpoint, trust)
    const lines = note.signatures
      .filter(({ name, keyId }) =>
        verified.some(({ key }) => key.name === name && key.id === keyId),
      )
      .map(({ line }) => line)
    return { text: note.text, checkpoint: formatNote(note.text, lines) }
  } catch (error) {
    if (error instanceof TlogError) return undefined
    throw error
  }
}

function attempt<T>(work: () => T): T | TlogError {
  try {
    return work()
  } catch (error) {
    if (error instanceof TlogError) return error
    throw error
  }
}
