/** What the checks need of Node: its hash, its signatures, and the files of a log in a directory or behind a URL. */
import { createPublicKey, hash, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'

import { HASH_BYTES } from '@countersign/tlog/hash'

import { VerifierError } from './errors.ts'
import type { Crypto, LogSource, Room } from './source.ts'

// RFC 8410: what stands before the 32 raw bytes in the DER of a public Ed25519 key.
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
// RFC 9881: the same of an ML-DSA-44 key.
const ML_DSA_44_PREFIX = Buffer.from('30820532300b06096086480165030403110382052100', 'hex')
const FETCH_TIMEOUT_MS = 30_000
/** A bundle of 256 entries of 1 KiB; more is taken when needed. */
const ROOM_BYTES = 256 * 1024

function sha256Into(data: Uint8Array, target: Uint8Array, at: number): void {
  // By way of a string: a digest as a Buffer has memory of its own, and allocating that takes longer than hashing a node.
  const digest = hash('sha256', data, 'binary')
  for (let byte = 0; byte < HASH_BYTES; byte++) target[at + byte] = digest.charCodeAt(byte)
}

export const nodeCrypto: Crypto = {
  sha256: (data) => {
    const digest = new Uint8Array(HASH_BYTES)
    sha256Into(data, digest, 0)
    return digest
  },
  sha256Into,
  ed25519Verify: (publicKey, message, signature) =>
    verify(null, message, spki(SPKI_PREFIX, publicKey), signature),
  verifyMlDsa44: (publicKey, message, signature) =>
    verify(null, message, spki(ML_DSA_44_PREFIX, publicKey), signature),
}

function spki(head: Uint8Array, publicKey: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([head, publicKey]), format: 'der', type: 'spki' })
}

/** A log in a directory. Reading is synchronous: it is what the thread is there for, and twice as fast for small files. */
export function directorySource(directory: string): LogSource {
  return {
    read: (path) => orAbsent(() => readFileSync(join(directory, path)), path),
    readInto: (path, room) => orAbsent(() => readInto(room, join(directory, path)), path),
    widths: (folder) =>
      (orAbsent(() => readdirSync(join(directory, folder)), folder) ?? []).map(Number),
    list: async () => {
      const entries = await readdir(directory, { recursive: true, withFileTypes: true })
      // Links, sockets and whatever else is not a folder is listed too: it will be reported as unexpected.
      const files = entries.filter((entry) => !entry.isDirectory())
      return files
        .map((entry) =>
          relative(directory, join(entry.parentPath, entry.name)).replaceAll(sep, '/'),
        )
        .toSorted()
    },
  }
}

/** A log behind an HTTP prefix. */
export function urlSource(prefix: string): LogSource {
  const base = prefix.endsWith('/') ? prefix : `${prefix}/`
  return {
    read: async (path) => {
      try {
        const response = await fetch(new URL(path, base), {
          signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
        })
        if (response.status === 404 || response.status === 410) return undefined
        if (!response.ok) throw new Error(`the server answered ${response.status}`)
        return new Uint8Array(await response.arrayBuffer())
      } catch (cause) {
        throw unreadable(path, cause)
      }
    },
  }
}

function readInto(room: Room, path: string): Uint8Array {
  const file = openSync(path, 'r')
  try {
    let filled = 0
    for (;;) {
      // Full also when the file just fits: only a read of nothing tells.
      if (filled === room.bytes.length) room.bytes = grown(room.bytes)
      const read = readSync(file, room.bytes, filled, room.bytes.length - filled, filled)
      if (read === 0) return room.bytes.subarray(0, filled)
      filled += read
    }
  } finally {
    closeSync(file)
  }
}

function grown(bytes: Uint8Array): Uint8Array {
  const larger = new Uint8Array(Math.max(ROOM_BYTES, 2 * bytes.length))
  larger.set(bytes)
  return larger
}

function orAbsent<T>(read: () => T, path: string): T | undefined {
  try {
    return read()
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw unreadable(path, cause)
  }
}

function unreadable(path: string, cause: unknown): VerifierError {
  const why =
    cause instanceof Error
      ? cause.cause instanceof Error
        ? cause.cause.message
        : cause.message
      : String(cause)
  return new VerifierError('SOURCE_UNREADABLE', `could not read ${path} of the log: ${why}`, {
    cause,
  })
}
