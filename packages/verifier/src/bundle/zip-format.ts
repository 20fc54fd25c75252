/**
 * The one spelling of a zip that a bundle may have (docs/spec/bundle.md, "The zip"): any unzip program reads it, and each of its
 * bytes follows from the files in it. Writer and reader both use these functions: the reader encodes what it read and compares.
 */

/** One file as the zip lists it. */
export interface ZipFile {
  readonly name: string
  /** Compressed with deflate, or stored as it is. */
  readonly deflated: boolean
  readonly crc32: number
  /** Bytes in the zip. */
  readonly packedBytes: number
  /** Bytes of the file itself. */
  readonly bytes: number
  /** Where its local header begins. */
  readonly offset: number
}

export const LOCAL_HEADER_BYTES = 30
export const CENTRAL_HEADER_BYTES = 46
export const END_BYTES = 22

const LOCAL_SIGNATURE = 0x04_03_4b_50
const CENTRAL_SIGNATURE = 0x02_01_4b_50
const END_SIGNATURE = 0x06_05_4b_50

/** 2.0: the version of the format that knows deflate. */
const VERSION = 20
/** Version 2.0, written on Unix: so the mode below counts. */
const VERSION_MADE_BY = (3 << 8) | VERSION
/** A regular file, rw-r--r--. */
const EXTERNAL_ATTRIBUTES = 0o100644 * 0x1_00_00
/** 1980-01-01 00:00:00: a bundle says in its manifest when it was made. */
const DATE = (1 << 5) | 1
const METHOD_STORED = 0
const METHOD_DEFLATED = 8

/** The name of a file: plain ASCII, below the folder it is unpacked in, never up and never hidden. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*(?:\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/

export function isZipName(name: string): boolean {
  return NAME.test(name)
}

/** What stands before the bytes of a file. */
export function localHeader(file: ZipFile): Uint8Array {
  const { bytes, view } = headerFor(LOCAL_HEADER_BYTES, file.name)
  view.setUint32(0, LOCAL_SIGNATURE, true)
  view.setUint16(4, VERSION, true)
  putCommon(view, 8, file)
  view.setUint16(26, file.name.length, true)
  return bytes
}

/** What the directory at the end says of a file. */
export function centralHeader(file: ZipFile): Uint8Array {
  const { bytes, view } = headerFor(CENTRAL_HEADER_BYTES, file.name)
  view.setUint32(0, CENTRAL_SIGNATURE, true)
  view.setUint16(4, VERSION_MADE_BY, true)
  view.setUint16(6, VERSION, true)
  putCommon(view, 10, file)
  view.setUint16(28, file.name.length, true)
  view.setUint32(38, EXTERNAL_ATTRIBUTES, true)
  view.setUint32(42, file.offset, true)
  return bytes
}

/** The last 22 bytes. */
export function endRecord(directory: {
  readonly files: number
  readonly bytes: number
  readonly offset: number
}): Uint8Array {
  const bytes = new Uint8Array(END_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, END_SIGNATURE, true)
  view.setUint16(8, directory.files, true)
  view.setUint16(10, directory.files, true)
  view.setUint32(12, directory.bytes, true)
  view.setUint32(16, directory.offset, true)
  return bytes
}

/** The directory that the last 22 bytes point to; whether they are spelled right is for the caller to compare. */
export function readEnd(end: Uint8Array): { files: number; bytes: number; offset: number } {
  const view = new DataView(end.buffer, end.byteOffset, END_BYTES)
  return {
    files: view.getUint16(10, true),
    bytes: view.getUint32(12, true),
    offset: view.getUint32(16, true),
  }
}

/** The file that a central header at `at` is about; `undefined` when the directory ends inside it. */
export function readCentral(directory: Uint8Array, at: number): ZipFile | undefined {
  if (at + CENTRAL_HEADER_BYTES > directory.length) return undefined
  const view = new DataView(directory.buffer, directory.byteOffset + at)
  const nameEnd = at + CENTRAL_HEADER_BYTES + view.getUint16(28, true)
  if (nameEnd > directory.length) return undefined
  const name = directory.subarray(at + CENTRAL_HEADER_BYTES, nameEnd)
  return {
    // Byte for character: what is not ASCII is no name of a bundle, and is refused as such.
    name: Array.from(name, (byte) => String.fromCharCode(byte)).join(''),
    deflated: view.getUint16(10, true) === METHOD_DEFLATED,
    crc32: view.getUint32(16, true),
    packedBytes: view.getUint32(20, true),
    bytes: view.getUint32(24, true),
    offset: view.getUint32(42, true),
  }
}

/** From the compression method on, both headers say the same. */
function putCommon(view: DataView, at: number, file: ZipFile): void {
  view.setUint16(at, file.deflated ? METHOD_DEFLATED : METHOD_STORED, true)
  view.setUint16(at + 4, DATE, true)
  view.setUint32(at + 6, file.crc32, true)
  view.setUint32(at + 10, file.packedBytes, true)
  view.setUint32(at + 14, file.bytes, true)
}

function headerFor(fixedBytes: number, name: string): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(fixedBytes + name.length)
  for (let at = 0; at < name.length; at++) bytes[fixedBytes + at] = name.charCodeAt(at)
  return { bytes, view: new DataView(bytes.buffer) }
}
