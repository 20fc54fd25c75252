/**
 * Reads the ClientHello at the start of a TLS connection without taking part in it.
 * It holds the first bytes of a tunnel until they name a server or prove not to be TLS, guarantees that no
 * more than the named cap is kept, and loses nothing: the bytes stay with the caller.
 */
import { Cursor, OutOfBytes } from './client-hello-cursor.ts'

/** What a client offers in the clear before any key is agreed. */
export interface ClientHello {
  /** Lower-case; absent when the client names no server. */
  readonly sni?: string
  /** In the client's order; each name as Latin-1, at most 255 bytes. */
  readonly alpn: readonly string[]
  /** Offered protocol versions, highest first, reserved (GREASE) values left out: `TLSv1.3`, `TLSv1.2`... */
  readonly versions: readonly string[]
  /** True when an Encrypted ClientHello extension is present: the name that counts may be another one. */
  readonly ech: boolean
}

/**
 * Why bytes are not a ClientHello. `not_tls`: they do not begin like TLS. `malformed`: they begin like TLS
 * and then break its rules. `too_large`: the message is larger than the cap.
 */
export type HelloDefect = 'not_tls' | 'malformed' | 'too_large'

/** Where reading stands. */
export type HelloProgress =
  | { readonly state: 'incomplete' }
  | { readonly state: 'complete'; readonly hello: ClientHello }
  | { readonly state: 'defect'; readonly defect: HelloDefect }

const recordHeaderBytes = 5
const handshakeHeaderBytes = 4
/** RFC 8446, section 5.1: a plaintext record carries at most 2^14 bytes. */
const recordBytesMax = 16_384
const contentTypeHandshake = 22
const handshakeClientHello = 1
const extensionServerName = 0
const extensionAlpn = 16
const extensionSupportedVersions = 43
/** RFC 9849 and its drafts 8 to 13, draft 7 and before, and ESNI, which ECH replaced. */
const extensionsEch: ReadonlySet<number> = new Set([
  0xfe0d, 0xfe0c, 0xfe0b, 0xfe0a, 0xfe09, 0xfe08, 0xff02, 0xffce,
])

const versionNames: ReadonlyMap<number, string> = new Map([
  [0x0304, 'TLSv1.3'],
  [0x0303, 'TLSv1.2'],
  [0x0302, 'TLSv1.1'],
  [0x0301, 'TLSv1'],
  [0x0300, 'SSLv3'],
])

/**
 * Reads a ClientHello as its bytes arrive, across as many segments and records as it was cut into.
 * Never throws; copies nothing until the message is whole; each byte is looked at a bounded number of times,
 * so one-byte records cost no more than their bytes.
 * @see RFC 8446, sections 4.1.2 and 5.1; RFC 6066, section 3; RFC 7301
 */
export class ClientHelloReader {
  readonly #bytesMax: number
  #progress: HelloProgress = { state: 'incomplete' }
  /** Bytes of complete record headers and of payloads so far. */
  #read = 0
  readonly #recordHeader = new Uint8Array(recordHeaderBytes)
  #recordHeaderFilled = 0
  #payloadLeft = 0
  readonly #pieces: Uint8Array[] = []
  #collected = 0
  readonly #messageHeader: number[] = []

  /** @param bytesMax cap on the records that carry the message, their headers included. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Takes the next bytes of the connection. Once reading is over, further bytes change nothing. */
  push(segment: Uint8Array): HelloProgress {
    let left = segment
    while (left.length > 0 && this.#progress.state === 'incomplete') {
      left = left.subarray(
        this.#payloadLeft === 0 ? this.#takeHeader(left) : this.#takePayload(left),
      )
    }
    return this.#progress
  }

  /** Fills the record header; returns how many bytes it took. */
  #takeHeader(bytes: Uint8Array): number {
    const part = bytes.subarray(0, recordHeaderBytes - this.#recordHeaderFilled)
    this.#recordHeader.set(part, this.#recordHeaderFilled)
    this.#recordHeaderFilled += part.length
    const header = this.#recordHeader.subarray(0, this.#recordHeaderFilled)
    // Attacker-controlled: say `not_tls` on the first byte that gives it away, not when a header is whole.
    const defect = recordDefect(header, this.#read === 0)
    if (defect !== undefined) this.#progress = { state: 'defect', defect }
    else if (header.length === recordHeaderBytes) {
      this.#payloadLeft = payloadBytes(header)
      this.#recordHeaderFilled = 0
      this.#read += recordHeaderBytes
      if (this.#read + this.#payloadLeft > this.#bytesMax) this.#progress = tooLarge
    }
    return part.length
  }

  /** Takes payload of the record; returns how many bytes it took. */
  #takePayload(bytes: Uint8Array): number {
    const part = bytes.subarray(0, this.#payloadLeft)
    this.#pieces.push(part)
    this.#payloadLeft -= part.length
    this.#collected += part.length
    this.#read += part.length
    for (const value of part.subarray(0, handshakeHeaderBytes - this.#messageHeader.length)) {
      this.#messageHeader.push(value)
    }
    this.#progress = this.#judge()
    return part.length
  }

  #judge(): HelloProgress {
    const [type, high, middle, low] = this.#messageHeader
    if (type !== handshakeClientHello) return malformed
    if (high === undefined || middle === undefined || low === undefined) return incomplete
    const wanted = handshakeHeaderBytes + high * 65_536 + middle * 256 + low
    // A message that says it is larger than the cap is refused before its bytes are waited for.
    if (wanted > this.#bytesMax) return tooLarge
    // RFC 8446, section 5.1: nothing else may share the ClientHello's last record.
    if (this.#collected + this.#payloadLeft > wanted) return malformed
    return this.#collected < wanted ? incomplete : parsed(Buffer.concat(this.#pieces))
  }
}

const incomplete: HelloProgress = { state: 'incomplete' }
const malformed: HelloProgress = { state: 'defect', defect: 'malformed' }
const tooLarge: HelloProgress = { state: 'defect', defect: 'too_large' }

function parsed(message: Uint8Array): HelloProgress {
  try {
    return {
      state: 'complete',
      hello: parseHello(new Cursor(message.subarray(handshakeHeaderBytes))),
    }
  } catch (error) {
    if (error instanceof OutOfBytes || error instanceof BrokenRule) return malformed
    throw error
  }
}

/** A rule of TLS that the client broke; never leaves this file. */
class BrokenRule extends Error {}

function must(condition: boolean): asserts condition {
  if (!condition) throw new BrokenRule()
}

/** Checks as much of a record header as is there. */
function recordDefect(header: Uint8Array, first: boolean): HelloDefect | undefined {
  const wrong: HelloDefect = first ? 'not_tls' : 'malformed'
  if (header.length > 0 && header[0] !== contentTypeHandshake) return wrong
  if (header.length > 1 && header[1] !== 3) return wrong
  if (header.length > 2 && byte(header, 2) > 4) return wrong
  if (header.length < recordHeaderBytes) return undefined
  const length = payloadBytes(header)
  return length === 0 || length > recordBytesMax ? 'malformed' : undefined
}

function payloadBytes(header: Uint8Array): number {
  return byte(header, 3) * 256 + byte(header, 4)
}

function byte(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0
}

/** The message body, field by field (RFC 8446, section 4.1.2). */
function parseHello(body: Cursor): ClientHello {
  const legacyVersion = body.u16()
  must(legacyVersion >> 8 === 3)
  body.take(32)
  must(body.vector8().length <= 32)
  const suites = body.vector16()
  must(suites.length >= 2 && suites.length % 2 === 0)
  must(body.vector8().length >= 1)
  // TLS 1.2 and before may stop here: no extensions, hence no name.
  if (body.length === 0) return { alpn: [], versions: named([legacyVersion]), ech: false }
  const extensions = readExtensions(body.vector16())
  must(body.length === 0)
  const sni = extensions.get(extensionServerName)
  const alpn = extensions.get(extensionAlpn)
  const versions = extensions.get(extensionSupportedVersions)
  return {
    ...(sni === undefined ? {} : { sni: readServerName(sni) }),
    alpn: alpn === undefined ? [] : readAlpn(alpn),
    versions: named(versions === undefined ? [legacyVersion] : readVersions(versions)),
    ech: [...extensions.keys()].some((type) => extensionsEch.has(type)),
  }
}

function readExtensions(list: Cursor): Map<number, Cursor> {
  const extensions = new Map<number, Cursor>()
  while (list.length > 0) {
    const type = list.u16()
    // RFC 8446, section 4.2: two of a kind let us and the server each believe another one.
    must(!extensions.has(type))
    extensions.set(type, list.vector16())
  }
  return extensions
}

/** One host_name and nothing else: a server that reads the second of two would see another name than we do. */
function readServerName(extension: Cursor): string {
  const list = extension.vector16()
  must(extension.length === 0)
  must(list.u8() === 0)
  const name = list.vector16()
  must(list.length === 0)
  const text = name.rest()
  must(text.length >= 1 && text.length <= 255)
  // Hostile names (NUL, non-ASCII, a trailing dot) are compared differently by different servers.
  const sni = Buffer.from(text).toString('latin1').toLowerCase()
  must(/^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(sni))
  return sni
}

function readAlpn(extension: Cursor): readonly string[] {
  const list = extension.vector16()
  must(extension.length === 0 && list.length > 0)
  const names: string[] = []
  while (list.length > 0) {
    const name = list.vector8()
    must(name.length > 0)
    const text = Buffer.from(name.rest()).toString('latin1')
    if (!isGreaseName(text)) names.push(text)
  }
  return names
}

/** RFC 8701: names of two equal bytes 0x?a are there to be ignored. */
function isGreaseName(name: string): boolean {
  return name.length === 2 && isGrease(name.charCodeAt(0) * 256 + name.charCodeAt(1))
}

function isGrease(value: number): boolean {
  return (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 0xff)
}

function readVersions(extension: Cursor): readonly number[] {
  const list = extension.vector8()
  must(extension.length === 0 && list.length >= 2 && list.length % 2 === 0)
  const versions: number[] = []
  while (list.length > 0) {
    const version = list.u16()
    if (!isGrease(version)) versions.push(version)
  }
  return versions
}

function named(versions: readonly number[]): readonly string[] {
  return [...new Set(versions)]
    .toSorted((a, b) => b - a)
    .map((version) => versionNames.get(version) ?? `0x${version.toString(16).padStart(4, '0')}`)
}
