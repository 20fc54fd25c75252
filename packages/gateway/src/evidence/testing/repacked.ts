/** Takes bundles apart and puts them together again, as an attacker would: with checksums that fit. */
import { crc32 } from 'node:zlib'
import { centralHeader, endRecord, localHeader } from '@countersign/verifier/bundle/zip-format'
import { ZipReader } from '@countersign/verifier/bundle/zip-reader'

/** The files of a bundle by name, in its order. */
export async function unpack(zip: Uint8Array): Promise<Map<string, Uint8Array>> {
  const reader = await ZipReader.open({
    size: zip.length,
    read: async (start, end) => zip.subarray(start, end),
  })
  const files = new Map<string, Uint8Array>()
  for (const name of reader.names()) files.set(name, (await reader.read(name)) ?? new Uint8Array())
  return files
}

/** A zip of these files, none compressed: a test checks thousands of them. */
export function repack(files: Iterable<readonly [string, Uint8Array]>): Buffer {
  const pieces: Uint8Array[] = []
  const directory: Uint8Array[] = []
  let offset = 0
  for (const [name, bytes] of files) {
    const sizes = { packedBytes: bytes.length, bytes: bytes.length }
    const file = { name, deflated: false, crc32: crc32(bytes), ...sizes, offset }
    const header = localHeader(file)
    pieces.push(header, bytes)
    directory.push(centralHeader(file))
    offset += header.length + bytes.length
  }
  const central = Buffer.concat(directory)
  const end = endRecord({ files: directory.length, bytes: central.length, offset })
  return Buffer.concat([...pieces, central, end])
}

export function flipped(bytes: Uint8Array, at: number, mask = 1): Buffer {
  const copy = Buffer.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ mask
  return copy
}
