/**
 * Writes the zip of a bundle, a file at a time: in memory are one file and the directory. The same files give the same bytes with one
 * version of zlib, since nothing in it depends on when, where or by whom it was written.
 */
import { promisify } from 'node:util'
import { crc32, deflateRaw } from 'node:zlib'
import {
  BUNDLE_BYTES_MAX,
  BUNDLE_FILE_BYTES_MAX,
  BUNDLE_FILES_MAX,
  BUNDLE_RATIO_MAX,
  BUNDLE_UNPACKED_BYTES_MAX,
} from '@countersign/verifier/bundle/limits'
import {
  centralHeader,
  END_BYTES,
  endRecord,
  localHeader,
} from '@countersign/verifier/bundle/zip-format'
import type { ZipFile } from '@countersign/verifier/bundle/zip-format'
import { EvidenceError } from './errors.ts'

const deflate = promisify(deflateRaw)
const LEVEL = 6
/** Smaller files are stored: there is little to gain, and a bundle may hold tens of thousands that each must be unpacked. */
const DEFLATED_BYTES_MIN = 1024

/** Takes bytes in order, and resolves when it has room for more. */
export type Sink = (bytes: Uint8Array) => Promise<void>

/** Limits that a test may lower. */
export interface ZipLimits {
  readonly filesMax: number
  readonly bytesMax: number
  readonly unpackedBytesMax: number
}

const limitsOfABundle: ZipLimits = {
  filesMax: BUNDLE_FILES_MAX,
  bytesMax: BUNDLE_BYTES_MAX,
  unpackedBytesMax: BUNDLE_UNPACKED_BYTES_MAX,
}

export class ZipWriter {
  readonly #sink: Sink
  readonly #limits: ZipLimits
  readonly #directory: Uint8Array[] = []
  readonly #names = new Set<string>()
  #offset = 0
  #directoryBytes = 0
  #unpacked = 0

  constructor(sink: Sink, limits: ZipLimits = limitsOfABundle) {
    this.#sink = sink
    this.#limits = limits
  }

  /** Files so far. */
  get files(): number {
    return this.#names.size
  }

  /** Whether a file of this name was written: two records may name one addendum. */
  has(name: string): boolean {
    return this.#names.has(name)
  }

  /**
   * Writes one file.
   * @throws {EvidenceError} `EVIDENCE_LIMIT` when a reader would refuse the bundle for it
   */
  async add(name: string, bytes: Uint8Array): Promise<void> {
    const { packed, deflated } = await pack(bytes)
    const file: ZipFile = {
      name,
      deflated,
      crc32: crc32(bytes),
      packedBytes: packed.length,
      bytes: bytes.length,
      offset: this.#offset,
    }
    const local = localHeader(file)
    const central = centralHeader(file)
    this.#unpacked += bytes.length
    this.#check(bytes.length, local.length + packed.length + central.length)
    await this.#sink(local)
    await this.#sink(packed)
    this.#offset += local.length + packed.length
    this.#directory.push(central)
    this.#directoryBytes += central.length
    this.#names.add(name)
  }

  /** Writes the directory: after this the zip is whole. */
  async finish(): Promise<void> {
    for (const header of this.#directory) await this.#sink(header)
    await this.#sink(
      endRecord({
        files: this.#directory.length,
        bytes: this.#directoryBytes,
        offset: this.#offset,
      }),
    )
  }

  #check(bytes: number, added: number): void {
    const { filesMax, bytesMax, unpackedBytesMax } = this.#limits
    const total = this.#offset + this.#directoryBytes + added + END_BYTES
    const why =
      this.#names.size >= filesMax
        ? `${filesMax} files`
        : total > bytesMax
          ? `${bytesMax} bytes`
          : bytes > BUNDLE_FILE_BYTES_MAX || this.#unpacked > unpackedBytesMax
            ? `${unpackedBytesMax} bytes unpacked`
            : undefined
    if (why === undefined) return
    throw new EvidenceError(
      'EVIDENCE_LIMIT',
      `could not export so much: a bundle holds at most ${why}`,
      { hint: 'export it in several ranges; together they are as complete' },
    )
  }
}

/** Deflated where that makes it smaller, and not so much smaller that a reader must fear a bomb. */
async function pack(bytes: Uint8Array): Promise<{ packed: Uint8Array; deflated: boolean }> {
  if (bytes.length < DEFLATED_BYTES_MIN) return { packed: bytes, deflated: false }
  const packed = await deflate(bytes, { level: LEVEL })
  const deflated = packed.length < bytes.length && bytes.length <= packed.length * BUNDLE_RATIO_MAX
  return deflated ? { packed, deflated } : { packed: bytes, deflated }
}
