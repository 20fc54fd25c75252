/**
 * What a witness cosigned last: for each log, one checkpoint with the log's signature and the witness's own. It is what makes a
 * cosignature mean that there was no fork: lost or set back, a log could have another history cosigned. Each log is in two
 * slots, so that neither a torn write nor one damaged slot costs it. Never restored from a copy; trusted against everyone but
 * root on the witness's machine. docs/spec/witness.md has the bytes.
 */
import { parseCheckpoint } from '@countersign/tlog/checkpoint'
import { emptyRoot } from '@countersign/tlog/hash'
import { parseNote } from '@countersign/tlog/note'
import { sha256 } from '../cryptography.ts'
import { codeOf, DISK_HINT, messageOf, WitnessError } from './errors.ts'
import { LOGS_MAX, STATE_SLOT_BYTES } from './limits.ts'
import { Slots } from './slots.ts'
import type { SlotFormat } from './slots.ts'

const FORMAT: SlotFormat = { magic: 'CSWITN 1', slotBytes: STATE_SLOT_BYTES }

/** The last cosigned tree of one log; the empty tree, and no checkpoint, before the first. */
export interface Cosigned {
  readonly size: bigint
  readonly root: Uint8Array
  /** The signed note, as it is served to monitors. */
  readonly checkpoint: string | undefined
}

/**
 * Creates the state of a witness that has cosigned nothing yet: a separate act from opening it.
 * @throws {WitnessError} `WITNESS_STATE` when there is one already.
 */
export async function createWitnessState(path: string, name: string): Promise<void> {
  try {
    await Slots.create(path, FORMAT, [header(name, 0)])
  } catch (cause) {
    const exists = codeOf(cause) === 'EEXIST'
    throw new WitnessError(
      'WITNESS_STATE',
      exists
        ? `could not create the state of the witness: ${path} is there already`
        : `could not create the state of the witness: ${messageOf(cause)}`,
      {
        cause,
        hint: exists
          ? 'leave --create away: a witness keeps its state for ever'
          : 'its folder must exist and be writable',
      },
    )
  }
}

export class WitnessState {
  readonly #path: string
  readonly #slots: Slots
  /** By origin, with the place of its record. */
  readonly #logs: Map<string, { record: number; cosigned: Cosigned }>

  private constructor(path: string, slots: Slots, logs: WitnessState['origins']) {
    this.#path = path
    this.#slots = slots
    this.#logs = new Map(
      logs.map(({ origin, cosigned }, at) => [origin, { record: at + 1, cosigned }]),
    )
  }

  /**
   * Opens the state of the witness `name`, and makes room for logs that it does not know yet. A log that is no longer asked for
   * is kept: should it come back, it continues from where it was.
   * @throws {WitnessError} `WITNESS_STATE` when it is missing, of another witness, or cannot be read; `WITNESS_LIMIT`; `WITNESS_IO`
   */
  static async open(
    path: string,
    { name, origins }: { name: string; origins: Iterable<string> },
  ): Promise<WitnessState> {
    const slots = openSlots(path)
    try {
      const held = readLogs(path, { name, payloads: slots.payloads })
      const fresh = [...origins].filter((origin) => !held.some((log) => log.origin === origin))
      const logs = [...held, ...fresh.map((origin) => ({ origin, cosigned: nothing() }))]
      if (logs.length > LOGS_MAX) {
        throw new WitnessError(
          'WITNESS_LIMIT',
          `could not open the witness: ${path} would hold ${logs.length} logs, and at most ${LOGS_MAX} fit`,
          { hint: 'run a second witness, with a key and a state of its own, for the others' },
        )
      }
      if (fresh.length > 0) await slots.replace([header(name, logs.length), ...logs.map(encode)])
      return new WitnessState(path, slots, logs)
    } catch (cause) {
      slots.close()
      if (cause instanceof WitnessError) throw cause
      throw new WitnessError(
        'WITNESS_IO',
        `could not write the state of the witness: ${path}: ${messageOf(cause)}`,
        { cause, hint: DISK_HINT },
      )
    }
  }

  /** Every log that is held, in the order in which they came. */
  get origins(): readonly { readonly origin: string; readonly cosigned: Cosigned }[] {
    return [...this.#logs].map(([origin, { cosigned }]) => ({ origin, cosigned }))
  }

  cosigned(origin: string): Cosigned | undefined {
    return this.#logs.get(origin)?.cosigned
  }

  /**
   * Makes a checkpoint the last one of its log; only then may the cosignatures in it leave.
   * @param checkpoint a signed note.
   * @throws {WitnessError} `WITNESS_IO`: fatal to the witness, because after a failed sync nobody knows what is on disk.
   */
  save(checkpoint: string): void {
    const { origin, cosigned } = read(checkpoint)
    const log = this.#logs.get(origin)
    if (log === undefined) throw new RangeError(`no room was made for ${origin}`)
    try {
      this.#slots.save(log.record, encode({ origin, cosigned }))
    } catch (cause) {
      throw new WitnessError('WITNESS_IO', `could not save what is being cosigned: ${this.#path}`, {
        cause,
        hint: DISK_HINT,
      })
    }
    this.#logs.set(origin, { record: log.record, cosigned })
  }

  close(): void {
    this.#slots.close()
  }
}

function openSlots(path: string): Slots {
  try {
    return Slots.open(path, FORMAT)
  } catch (cause) {
    const missing = codeOf(cause) === 'ENOENT'
    throw new WitnessError(
      'WITNESS_STATE',
      missing
        ? `could not open the witness: there is no state ${path}`
        : `could not open the witness: ${path}: ${messageOf(cause)}`,
      {
        cause,
        hint: missing
          ? 'only if this key has never cosigned: add --create; otherwise find the file, or make a new key'
          : DISK_HINT,
      },
    )
  }
}

function readLogs(
  path: string,
  { name, payloads }: { name: string; payloads: readonly (Buffer | undefined)[] },
): { origin: string; cosigned: Cosigned }[] {
  const [head, ...records] = payloads
  if (head === undefined) throw unreadable(path, 'its first record')
  const [witness, count] = textOf(head).split('\n')
  if (witness !== name) {
    throw new WitnessError(
      'WITNESS_STATE',
      `could not open the witness: ${path} is the state of ${witness}, not of ${name}`,
      { hint: 'each witness has its own key and its own state' },
    )
  }
  if (Number(count) !== records.length)
    throw unreadable(path, `it should hold ${count} logs, and has ${records.length}; its end`)
  return records.map((payload, at) => {
    if (payload === undefined) throw unreadable(path, `the record of log ${at + 1}`)
    const text = textOf(payload)
    const end = text.indexOf('\n')
    const [origin, checkpoint] = [text.slice(0, end), text.slice(end + 1)]
    return checkpoint === '' ? { origin, cosigned: nothing() } : read(checkpoint)
  })
}

function unreadable(path: string, what: string): WitnessError {
  return new WitnessError(
    'WITNESS_STATE',
    `could not open the witness: ${what} cannot be read in ${path}`,
    {
      hint: 'without it nobody knows what was cosigned: keep the file, and start over with a new key and a new state',
    },
  )
}

function read(checkpoint: string): { origin: string; cosigned: Cosigned } {
  const { origin, size, root } = parseCheckpoint(parseNote(checkpoint).text)
  return { origin, cosigned: { size, root, checkpoint } }
}

function nothing(): Cosigned {
  return { size: 0n, root: emptyRoot(sha256), checkpoint: undefined }
}

function header(name: string, logs: number): Buffer {
  return Buffer.from(`${name}\n${logs}\n`)
}

function encode({ origin, cosigned }: { origin: string; cosigned: Cosigned }): Buffer {
  return Buffer.from(`${origin}\n${cosigned.checkpoint ?? ''}`)
}

/** A record without the zeros that fill its slot; a note holds none. */
function textOf(payload: Buffer): string {
  const end = payload.indexOf(0)
  return payload.toString('utf8', 0, end < 0 ? payload.length : end)
}
