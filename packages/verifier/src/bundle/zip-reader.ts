/**
 * Reads the zip of a bundle, strictly: one spelling only, nothing between, before or behind the files. Attacker-controlled: every
 * size is held against a limit before anything of that size is read, and no more is unpacked than was announced.
 */
import { equalBytes } from '@countersign/tlog/hash'

import { crc32 } from './crc32.ts'
import {
  BUNDLE_BYTES_MAX,
  BUNDLE_FILE_BYTES_MAX,
  BUNDLE_FILES_MAX,
  BUNDLE_NAME_BYTES_MAX,
  BUNDLE_RATIO_MAX,
  BUNDLE_UNPACKED_BYTES_MAX,
} from './limits.ts'
import {
  CENTRAL_HEADER_BYTES,
  centralHeader,
  END_BYTES,
  endRecord,
  isZipName,
  localHeader,
  readCentral,
  readEnd,
} from './zip-format.ts'
import type { ZipFile } from './zip-format.ts'

/** Bytes that can be read from anywhere: a file on disk, or one dropped on a page. */
export interface RandomAccess {
  readonly size: number
  /** Bytes `start` to `end`, exclusive. Rejects when they cannot be read, which is no judgement about them. */
  readonly read: (start: number, end: number) => Promise<Uint8Array>
}

/** Why a zip, or a file in it, is refused. `byte` is an offset in the zip. */
export class ZipError extends Error {
  override readonly name: string = 'ZipError'
  readonly code: 'ZIP_MALFORMED' | 'ZIP_LIMIT'
  readonly path: string | undefined
  readonly byte: number | undefined

  constructor(
    code: ZipError['code'],
    message: string,
    where: { path?: string | undefined; byte?: number | undefined; cause?: unknown } = {},
  ) {
    super(message, where.cause === undefined ? undefined : { cause: where.cause })
    this.code = code
    this.path = where.path
    this.byte = where.byte
  }
}

export class ZipReader {
  readonly #access: RandomAccess
  readonly #files: ReadonlyMap<string, ZipFile>

  private constructor(access: RandomAccess, files: ReadonlyMap<string, ZipFile>) {
    this.#access = access
    this.#files = files
  }

  /** Reads the directory at the end, and checks that it accounts for every byte. @throws {ZipError} */
  static async open(access: RandomAccess): Promise<ZipReader> {
    if (access.size > BUNDLE_BYTES_MAX)
      throw tooMuch(`it is ${access.size} bytes, and ${BUNDLE_BYTES_MAX} is the limit`)
    if (access.size < END_BYTES) throw malformed('it is too short to be a zip', { byte: 0 })
    const endAt = access.size - END_BYTES
    const end = await access.read(endAt, access.size)
    const directory = readEnd(end)
    const at = firstDifference(end, endRecord(directory))
    // Comments, several disks, and anything behind the zip show here: then these are not its last 22 bytes.
    if (at >= 0)
      throw malformed('it does not end as a bundle does: cut short, or something was added', {
        byte: endAt + at,
      })
    if (directory.offset + directory.bytes !== endAt)
      throw malformed('its directory is not where its end says', { byte: endAt + 12 })
    if (directory.files > BUNDLE_FILES_MAX)
      throw tooMuch(`it holds ${directory.files} files, and ${BUNDLE_FILES_MAX} is the limit`)
    if (directory.bytes > directory.files * (CENTRAL_HEADER_BYTES + BUNDLE_NAME_BYTES_MAX))
      throw tooMuch(`names of its files are over ${BUNDLE_NAME_BYTES_MAX} bytes`)
    const bytes = await access.read(directory.offset, endAt)
    return new ZipReader(access, readDirectory(bytes, directory))
  }

  /** Names of all files, in the order of the zip. */
  names(): IterableIterator<string> {
    return this.#files.keys()
  }

  /** Bytes of a file once unpacked, as announced; `undefined` when there is no such file. */
  bytesOf(name: string): number | undefined {
    return this.#files.get(name)?.bytes
  }

  /**
   * The bytes of a file; `undefined` when there is none of that name.
   * @throws {ZipError} `ZIP_MALFORMED` when they are not the ones that the directory announced
   */
  async read(name: string): Promise<Uint8Array | undefined> {
    const file = this.#files.get(name)
    if (file === undefined) return undefined
    const { offset, packedBytes } = file
    const header = localHeader(file)
    const end = offset + header.length + packedBytes
    const whole = await this.#access.read(offset, end)
    const at = firstDifference(whole.subarray(0, header.length), header)
    if (at >= 0)
      throw malformed(`what stands before ${name} is not what the directory says of it`, {
        path: name,
        byte: offset + at,
      })
    const packed = whole.subarray(header.length)
    const bytes = file.deflated ? await inflate(packed, file) : packed
    if (crc32(bytes) === file.crc32) return bytes
    throw malformed(`${name} is damaged: its checksum is another`, {
      path: name,
      byte: offset + header.length,
    })
  }
}

function readDirectory(
  directory: Uint8Array,
  { files, offset }: { files: number; offset: number },
): Map<string, ZipFile> {
  const found = new Map<string, ZipFile>()
  let at = 0
  let next = 0
  let unpacked = 0
  for (let nth = 0; nth < files; nth++) {
    const file = readCentral(directory, at)
    if (file === undefined)
      throw malformed('its directory ends inside the description of a file', { byte: offset + at })
    const header = centralHeader(file)
    checkSpelling(file, header, { directory, at, offset })
    checkLimits(file)
    if (found.has(file.name))
      throw malformed(`it holds ${file.name} twice`, { path: file.name, byte: offset + at })
    if (file.offset !== next)
      throw malformed(`${file.name} does not begin where the file before it ends`, {
        path: file.name,
        byte: offset + at + 42,
      })
    next += localHeader(file).length + file.packedBytes
    unpacked += file.bytes
    at += header.length
    found.set(file.name, file)
  }
  if (at !== directory.length)
    throw malformed('its directory lists more than its end counts', { byte: offset + at })
  if (next !== offset)
    throw malformed('something stands between its last file and its directory', { byte: next })
  if (unpacked > BUNDLE_UNPACKED_BYTES_MAX)
    throw tooMuch(
      `unpacked it would be ${unpacked} bytes, and ${BUNDLE_UNPACKED_BYTES_MAX} is the limit`,
    )
  return found
}

/** Encryption, other methods, extra fields, comments, links and dates all differ from the one spelling. */
function checkSpelling(
  file: ZipFile,
  header: Uint8Array,
  { directory, at, offset }: { directory: Uint8Array; at: number; offset: number },
): void {
  if (file.name.length > BUNDLE_NAME_BYTES_MAX)
    throw tooMuch(`the name of a file is over ${BUNDLE_NAME_BYTES_MAX} bytes`, offset + at)
  // A name from outside the profile is not repeated: it may have been made to be shown.
  if (!isZipName(file.name))
    throw malformed('it holds a file whose name no bundle uses, such as one that leads elsewhere', {
      byte: offset + at + CENTRAL_HEADER_BYTES,
    })
  const differs = firstDifference(directory.subarray(at, at + header.length), header)
  if (differs >= 0)
    throw malformed(
      `${file.name} is not packed as a bundle packs it (encrypted, another method, a link, or packed again by another program)`,
      { path: file.name, byte: offset + at + differs },
    )
}

function checkLimits(file: ZipFile): void {
  const { name, bytes, packedBytes, deflated } = file
  if (bytes > BUNDLE_FILE_BYTES_MAX)
    throw tooMuch(
      `${name} would be ${bytes} bytes, and ${BUNDLE_FILE_BYTES_MAX} is the limit`,
      file.offset,
    )
  if (deflated && bytes > packedBytes * BUNDLE_RATIO_MAX)
    throw tooMuch(
      `${name} would grow more than ${BUNDLE_RATIO_MAX} times when unpacked`,
      file.offset,
    )
  // Also bounds what is read at once: compressed bytes that are more than the file would have no limit of their own.
  if (deflated ? packedBytes >= bytes : packedBytes !== bytes)
    throw malformed(`${name} is packed in a way that does not fit its size`, {
      path: name,
      byte: file.offset,
    })
}

/** Unpacks no more than was announced, and refuses less. */
async function inflate(packed: Uint8Array, file: ZipFile): Promise<Uint8Array> {
  const stream = new DecompressionStream('deflate-raw')
  const writer = stream.writable.getWriter()
  const written = writer
    .write(Uint8Array.from(packed))
    .then(async () => writer.close())
    // The reader below is told of the same trouble.
    .catch(() => undefined)
  const bytes = new Uint8Array(file.bytes)
  let used = 0
  const reader = stream.readable.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      if (used + value.length > bytes.length) throw new Error('it is longer than announced')
      bytes.set(value, used)
      used += value.length
    }
    await written
    if (used < bytes.length) throw new Error('it is shorter than announced')
    return bytes
  } catch (cause) {
    await reader.cancel().catch(() => undefined)
    throw malformed(`${file.name} cannot be unpacked: its compressed bytes are damaged`, {
      path: file.name,
      byte: file.offset,
      cause,
    })
  }
}

function firstDifference(found: Uint8Array, expected: Uint8Array): number {
  if (equalBytes(found, expected)) return -1
  const at = expected.findIndex((byte, index) => byte !== found[index])
  return at < 0 ? expected.length : at
}

function malformed(
  message: string,
  where: { path?: string; byte: number; cause?: unknown },
): ZipError {
  return new ZipError('ZIP_MALFORMED', message, where)
}

function tooMuch(message: string, byte?: number): ZipError {
  return new ZipError('ZIP_LIMIT', message, { byte })
}
