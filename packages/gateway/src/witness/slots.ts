/**
 * A file of small records that are overwritten in place, each in two slots. A record is written to the first slot, synced,
 * then to the second, synced: a write that a crash tears leaves the record before it, and of what `save` has returned for,
 * no single damaged slot costs anything. Lost as a whole, nothing here can tell.
 */
import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { crc32c } from '@node-rs/crc32'
import { syncDirectory, writeDurably } from '../platform.ts'
import { DISK_HINT, messageOf, WitnessError } from './errors.ts'

/** What such a file looks like. `magic` is 8 ASCII characters; a payload fits `slotBytes` less 20. */
export interface SlotFormat {
  readonly magic: string
  readonly slotBytes: number
}

interface Slot {
  readonly generation: bigint
  readonly payload: Buffer
}

/** Magic (8) and generation (8); the payload follows, and the CRC32C of all before it ends the slot. */
const HEAD_BYTES = 16
const CRC_BYTES = 4
const FILE_MODE = 0o600

/** Bytes that a record may have. */
export function payloadBytesMax({ slotBytes }: SlotFormat): number {
  return slotBytes - HEAD_BYTES - CRC_BYTES
}

export class Slots {
  readonly #path: string
  readonly #format: SlotFormat
  #file: number
  #records: (Slot | undefined)[]

  private constructor(path: string, format: SlotFormat, records: (Slot | undefined)[]) {
    this.#path = path
    this.#format = format
    this.#file = openSync(path, 'r+')
    this.#records = records
  }

  /** Creates a file with these records. @throws `EEXIST` when there is one: it is never overwritten. */
  static async create(
    path: string,
    format: SlotFormat,
    payloads: readonly Uint8Array[],
  ): Promise<void> {
    const file = await open(path, 'wx', FILE_MODE)
    try {
      await file.writeFile(encodeAll(payloads.map(first), format))
      await file.sync()
    } finally {
      await file.close()
    }
    await syncDirectory(dirname(path))
  }

  /** Opens a file; a record whose one slot is damaged, or older, is made whole from the other. */
  static open(path: string, format: SlotFormat): Slots {
    const bytes = readFileSync(path)
    const pairBytes = 2 * format.slotBytes
    const slots = new Slots(path, format, [])
    try {
      for (let at = 0; at < bytes.length; at += pairBytes)
        slots.#load(bytes.subarray(at, at + pairBytes))
    } catch (error) {
      slots.close()
      throw error
    }
    return slots
  }

  /** Each record, padded with zeros to the whole slot; undefined where neither slot can be read. */
  get payloads(): readonly (Buffer | undefined)[] {
    return this.#records.map((slot) => slot?.payload)
  }

  /** Makes a record durable. @throws the error of the system, after which nobody knows what is on disk: stop. */
  save(index: number, payload: Uint8Array): void {
    const slot = { generation: (this.#records[index]?.generation ?? 0n) + 1n, payload }
    const bytes = encodeSlot(slot, this.#format)
    this.#write(2 * index, bytes)
    // A crash here leaves the new record in the first slot only: it was not acknowledged, and opening completes it.
    this.#write(2 * index + 1, bytes)
    this.#records[index] = decodeSlot(bytes, this.#format)
  }

  /** Puts other records in the place of all. The file is replaced as a whole: a crash leaves the old one or the new one. */
  async replace(payloads: readonly Uint8Array[]): Promise<void> {
    const slots = payloads.map(first)
    await writeDurably(this.#path, encodeAll(slots, this.#format), { mode: FILE_MODE })
    closeSync(this.#file)
    this.#file = openSync(this.#path, 'r+')
    this.#records = slots.map((slot) => decodeSlot(encodeSlot(slot, this.#format), this.#format))
  }

  /** @throws {WitnessError} `WITNESS_IO`: everything was synced before, and yet the disk is not well. */
  close(): void {
    try {
      closeSync(this.#file)
    } catch (cause) {
      throw new WitnessError('WITNESS_IO', `could not close ${this.#path}: ${messageOf(cause)}`, {
        cause,
        hint: DISK_HINT,
      })
    }
  }

  #load(pair: Buffer): void {
    const { slotBytes } = this.#format
    const index = this.#records.length
    const both = [0, slotBytes].map((at) =>
      decodeSlot(pair.subarray(at, at + slotBytes), this.#format),
    )
    const newest = both.reduce((a, b) =>
      a === undefined || (b !== undefined && b.generation > a.generation) ? b : a,
    )
    this.#records.push(newest)
    if (newest === undefined) return
    for (const [n, slot] of both.entries()) {
      // What is older was overtaken before a crash; what is unreadable was torn by it, or damaged since.
      if (slot?.generation !== newest.generation)
        this.#write(2 * index + n, encodeSlot(newest, this.#format))
    }
  }

  #write(place: number, bytes: Buffer): void {
    const { slotBytes } = this.#format
    const written = writeSync(this.#file, bytes, 0, slotBytes, place * slotBytes)
    if (written !== slotBytes) throw new Error(`wrote ${written} of ${slotBytes} bytes`)
    fdatasyncSync(this.#file)
  }
}

function first(payload: Uint8Array): { generation: bigint; payload: Uint8Array } {
  return { generation: 1n, payload }
}

function encodeAll(
  slots: readonly { generation: bigint; payload: Uint8Array }[],
  format: SlotFormat,
): Buffer {
  return Buffer.concat(
    slots.flatMap((slot) => {
      const bytes = encodeSlot(slot, format)
      return [bytes, bytes]
    }),
  )
}

function encodeSlot(
  { generation, payload }: { generation: bigint; payload: Uint8Array },
  format: SlotFormat,
): Buffer {
  const { magic, slotBytes } = format
  if (payload.length > payloadBytesMax(format))
    throw new RangeError(`a record of ${payload.length} bytes does not fit a slot of ${slotBytes}`)
  const slot = Buffer.alloc(slotBytes)
  slot.write(magic, 0, 'latin1')
  slot.writeBigUInt64BE(generation, 8)
  slot.set(payload, HEAD_BYTES)
  slot.writeUInt32BE(crc32c(slot.subarray(0, slotBytes - CRC_BYTES)), slotBytes - CRC_BYTES)
  return slot
}

function decodeSlot(slot: Buffer, { magic, slotBytes }: SlotFormat): Slot | undefined {
  if (slot.length !== slotBytes || slot.toString('latin1', 0, 8) !== magic) return undefined
  const end = slotBytes - CRC_BYTES
  if (crc32c(slot.subarray(0, end)) !== slot.readUInt32BE(end)) return undefined
  return { generation: slot.readBigUInt64BE(8), payload: slot.subarray(HEAD_BYTES, end) }
}
