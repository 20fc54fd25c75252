/**
 * Who asks, from where, and does it follow: the decision of C2SP `add-checkpoint`, the same for a signer and for a witness. It
 * holds nothing but the order of requests: compare and persist are one step, and only what is durable is answered.
 */
import { formatLatestSize, parseAddCheckpoint } from '@countersign/tlog/add-checkpoint'
import type { AddCheckpoint } from '@countersign/tlog/add-checkpoint'
import { parseCheckpoint } from '@countersign/tlog/checkpoint'
import { TlogError } from '@countersign/tlog/errors'
import type { VerifierKey } from '@countersign/tlog/key'
import { openNote, parseNote } from '@countersign/tlog/note'
import { verifyWitnessConsistency } from '@countersign/tlog/proof'
import { ed25519Verify, sha256 } from '../platform.ts'
import { WitnessError } from './errors.ts'

/** What is known of one log. */
export interface Known {
  /** Of the last tree that was signed; the empty tree at first. */
  readonly size: bigint
  readonly root: Uint8Array
  /** Only what one of these signed is considered. */
  readonly keys: readonly VerifierKey[]
}

/** A checkpoint that follows, and the lines that are to be answered. */
export interface Accepted {
  readonly origin: string
  readonly size: bigint
  readonly root: Uint8Array
  readonly lines: readonly string[]
}

export interface DeskParts {
  /** @returns undefined for a log that is not known. */
  readonly known: (origin: string) => Known | undefined
  /** Signs the text of a checkpoint: lines without their newline. */
  readonly sign: (text: string) => Promise<readonly string[]>
  /** Makes it durable. @throws {WitnessError} `WITNESS_IO` is fatal. */
  readonly save: (accepted: Accepted) => void
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
    const request = attempt(() => parseAddCheckpoint(body))
    if (request instanceof TlogError) return { status: 400, body: `${request.message}\n` }
    const { text } = parseNote(request.checkpoint)
    const { origin, size, root } = parseCheckpoint(text)
    const known = this.#parts.known(origin)
    if (known === undefined) return { status: 404, body: 'unknown origin\n' }
    const { oldSize, proof, checkpoint } = request
    if (!(await isSigned(checkpoint, known.keys)))
      return { status: 403, body: 'no valid signature of a trusted key\n' }
    if (oldSize > size) return { status: 400, body: 'the old size is larger than the new\n' }
    if (oldSize !== known.size) return { status: 409, body: formatLatestSize(known.size) }
    const claim = { oldSize, newSize: size, oldRoot: known.root, newRoot: root, proof }
    const refusal = attempt(() => verifyWitnessConsistency(claim, sha256))
    if (refusal instanceof TlogError) return { status: 422, body: `${refusal.message}\n` }
    const lines = await this.#parts.sign(text)
    this.#save({ origin, size, root, lines })
    // Durable: a crash from here on loses an answer, never the memory that it was given.
    return { status: 200, body: lines.map((line) => `${line}\n`).join('') }
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

async function isSigned(
  checkpoint: AddCheckpoint['checkpoint'],
  keys: readonly VerifierKey[],
): Promise<boolean> {
  try {
    await openNote(checkpoint, { keys, sha256, verify: ed25519Verify })
    return true
  } catch (error) {
    if (error instanceof TlogError) return false
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
