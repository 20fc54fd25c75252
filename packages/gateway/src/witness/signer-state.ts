/**
 * What the signer signed last: one size and one root of one origin. It is what makes the log append-only: lost or set back,
 * the past could be rewritten. It is in two slots, so that neither a torn write nor one damaged slot costs it. It is never
 * restored from a copy; it is trusted against everyone but root on the signer's machine.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { emptyRoot } from '@countersign/tlog/hash'
import { sha256 } from '../cryptography.ts'
import { codeOf, DISK_HINT, messageOf, WitnessError } from './errors.ts'
import { Slots } from './slots.ts'
import type { SlotFormat } from './slots.ts'

const FORMAT: SlotFormat = { magic: 'CSSIGN 1', slotBytes: 4096 }
/** Size (8), root (32), length of the origin (2). */
const HEAD_BYTES = 42
const FILE_NAME = 'signer-state'

/** The last signed tree. */
export interface SignedState {
  readonly origin: string
  readonly size: bigint
  readonly root: Uint8Array
}

/**
 * Creates the state of a signer that has signed nothing yet: a separate act from opening it.
 * @throws {WitnessError} `WITNESS_STATE` when there is one already.
 */
export async function createSignerState({
  stateDir,
  origin,
}: {
  stateDir: string
  origin: string
}): Promise<void> {
  await mkdir(stateDir, { recursive: true, mode: 0o700 })
  const path = join(stateDir, FILE_NAME)
  try {
    await Slots.create(path, FORMAT, [encode({ origin, size: 0n, root: emptyRoot(sha256) })])
  } catch (cause) {
    throw new WitnessError('WITNESS_STATE', `could not create the state of a signer: ${path}`, {
      cause,
      hint: 'a signer that has signed keeps its state for ever',
    })
  }
}

export class SignerState {
  readonly #path: string
  readonly #slots: Slots
  #state: SignedState

  private constructor(path: string, slots: Slots, state: SignedState) {
    this.#path = path
    this.#slots = slots
    this.#state = state
  }

  /** @throws {WitnessError} `WITNESS_STATE` when it is missing, of another origin, or when no slot can be read. */
  static open({ stateDir, origin }: { stateDir: string; origin: string }): SignerState {
    const path = join(stateDir, FILE_NAME)
    const slots = openSlots(path)
    const [payload] = slots.payloads
    const state = payload === undefined ? undefined : decode(payload)
    if (state?.origin === origin) return new SignerState(path, slots, state)
    slots.close()
    if (state === undefined) {
      throw new WitnessError(
        'WITNESS_STATE',
        `could not open the signer: neither slot of ${path} can be read`,
        {
          hint: 'without it nobody knows what was signed: keep the file, and open a new origin with a new key',
        },
      )
    }
    throw new WitnessError(
      'WITNESS_STATE',
      `could not open the signer: ${path} is for ${state.origin}, not ${origin}`,
      { hint: 'each origin has its own key and its own state' },
    )
  }

  get signed(): SignedState {
    return this.#state
  }

  /**
   * Makes the next state durable; only then may a signature leave.
   * @throws {WitnessError} `WITNESS_IO`: fatal to the signer, because after a failed sync nobody knows what is on disk.
   */
  save(state: SignedState): void {
    try {
      this.#slots.save(0, encode(state))
    } catch (cause) {
      throw new WitnessError('WITNESS_IO', `could not save what is being signed: ${this.#path}`, {
        cause,
        hint: DISK_HINT,
      })
    }
    this.#state = state
  }

  close(): void {
    this.#slots.close()
  }
}

function openSlots(path: string): Slots {
  try {
    return Slots.open(path, FORMAT)
  } catch (cause) {
    const isMissing = codeOf(cause) === 'ENOENT'
    throw new WitnessError(
      'WITNESS_STATE',
      `could not open the signer: ${path}: ${messageOf(cause)}`,
      { cause, hint: isMissing ? 'run countersign init to create it' : DISK_HINT },
    )
  }
}

function encode({ origin, size, root }: SignedState): Buffer {
  const name = Buffer.from(origin)
  const payload = Buffer.alloc(HEAD_BYTES + name.length)
  payload.writeBigUInt64BE(size)
  payload.set(root, 8)
  payload.writeUInt16BE(name.length, 40)
  payload.set(name, HEAD_BYTES)
  return payload
}

function decode(payload: Buffer): SignedState {
  const origin = payload.toString('utf8', HEAD_BYTES, HEAD_BYTES + payload.readUInt16BE(40))
  return { origin, size: payload.readBigUInt64BE(), root: Uint8Array.from(payload.subarray(8, 40)) }
}
