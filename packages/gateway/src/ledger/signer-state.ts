/**
 * What the signer signed last: one size and one root for each origin. It is what makes the log append-only: lost or set back,
 * the past could be rewritten. Two slots are written in turn, so that a torn write never costs both. It is never restored from
 * a copy; it is trusted against everyone but root on the signer's machine.
 */
import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32c } from '@node-rs/crc32'
import { emptyRoot } from '@countersign/tlog/hash'
import { sha256, syncDirectory } from '../platform.ts'
import { LedgerError } from './errors.ts'
import { getUint64, putUint64 } from './frame.ts'

const SLOT_BYTES = 4096
const MAGIC = Buffer.from('CSSIGN 1', 'latin1')
/** Magic (8), generation (8), size (8), root (32), length of the origin (2). */
const HEAD_BYTES = 58
const FILE_NAME = 'signer-state'

/** The last signed tree. */
export interface SignedState {
  readonly origin: string
  readonly size: number
  readonly root: Uint8Array
}

/**
 * Creates the state of a signer that has signed nothing yet: a separate act from opening it.
 * @throws {LedgerError} `SIGNER_STATE` when there is one already.
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
  const first = encodeSlot({ origin, size: 0, root: emptyRoot(sha256) }, 1)
  try {
    const file = await open(path, 'wx', 0o600)
    // Both slots: from the first signature on, an older one is always there.
    await file.write(Buffer.concat([first, first]), 0, 2 * SLOT_BYTES, 0)
    await file.sync()
    await file.close()
  } catch (cause) {
    throw new LedgerError('SIGNER_STATE', `could not create the state of a signer: ${path}`, {
      cause,
      hint: 'a signer that has signed keeps its state for ever',
    })
  }
  await syncDirectory(stateDir)
}

export class SignerState {
  readonly #path: string
  readonly #file: number
  #generation: number
  #state: SignedState

  private constructor(path: string, slot: { generation: number; state: SignedState }) {
    this.#path = path
    this.#file = openSync(path, 'r+')
    this.#generation = slot.generation
    this.#state = slot.state
  }

  /** @throws {LedgerError} `SIGNER_STATE` when it is missing, of another origin, or when no slot can be read. */
  static open({ stateDir, origin }: { stateDir: string; origin: string }): SignerState {
    const path = join(stateDir, FILE_NAME)
    const slots = readSlots(path)
    const newest = slots.reduce(
      (a, b) => (b.generation > a.generation ? b : a),
      slots[0] ?? unreadable(path),
    )
    if (newest.state.origin !== origin) {
      throw new LedgerError(
        'SIGNER_STATE',
        `could not open the signer: ${path} is for ${newest.state.origin}, not ${origin}`,
        {
          hint: 'each origin has its own key and its own state',
        },
      )
    }
    return new SignerState(path, newest)
  }

  get signed(): SignedState {
    return this.#state
  }

  /**
   * Makes the next state durable; only then may a signature leave.
   * @throws {LedgerError} `SIGNER_STATE`: fatal to the signer, because after a failed sync nobody knows what is on disk.
   */
  save(state: SignedState): void {
    const generation = this.#generation + 1
    try {
      const written = writeSync(
        this.#file,
        encodeSlot(state, generation),
        0,
        SLOT_BYTES,
        (generation % 2) * SLOT_BYTES,
      )
      if (written !== SLOT_BYTES) throw new Error(`wrote ${written} of ${SLOT_BYTES} bytes`)
      fdatasyncSync(this.#file)
    } catch (cause) {
      throw new LedgerError('SIGNER_STATE', `could not save what is being signed: ${this.#path}`, {
        cause,
      })
    }
    this.#generation = generation
    this.#state = state
  }

  close(): void {
    closeSync(this.#file)
  }
}

function readSlots(path: string): { generation: number; state: SignedState }[] {
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (cause) {
    throw new LedgerError('SIGNER_STATE', `could not open the signer: ${path}`, {
      cause,
      hint: 'run countersign init to create it',
    })
  }
  return [0, SLOT_BYTES].flatMap((at) => decodeSlot(bytes.subarray(at, at + SLOT_BYTES)) ?? [])
}

function encodeSlot({ origin, size, root }: SignedState, generation: number): Buffer {
  const slot = Buffer.alloc(SLOT_BYTES)
  const name = Buffer.from(origin)
  MAGIC.copy(slot)
  putUint64(slot, generation, 8)
  putUint64(slot, size, 16)
  slot.set(root, 24)
  slot.writeUInt16BE(name.length, 56)
  slot.set(name, HEAD_BYTES)
  slot.writeUInt32BE(crc32c(slot.subarray(0, SLOT_BYTES - 4)), SLOT_BYTES - 4)
  return slot
}

function decodeSlot(slot: Buffer): { generation: number; state: SignedState } | undefined {
  if (slot.length !== SLOT_BYTES || !slot.subarray(0, 8).equals(MAGIC)) return undefined
  if (crc32c(slot.subarray(0, SLOT_BYTES - 4)) !== slot.readUInt32BE(SLOT_BYTES - 4))
    return undefined
  const origin = slot.toString('utf8', HEAD_BYTES, HEAD_BYTES + slot.readUInt16BE(56))
  const root = Uint8Array.from(slot.subarray(24, 56))
  return { generation: getUint64(slot, 8), state: { origin, size: getUint64(slot, 16), root } }
}

function unreadable(path: string): never {
  throw new LedgerError(
    'SIGNER_STATE',
    `could not open the signer: neither slot of ${path} can be read`,
    {
      hint: 'without it nobody knows what was signed: keep the file, and open a new origin with a new key',
    },
  )
}
