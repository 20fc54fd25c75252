/** What is read inside: the ledger's socket and files, the HTTP codec, TLS greetings, the configuration, zips. */
import { ok } from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ZipError, ZipReader } from '@countersign/verifier/bundle/zip-reader'
import { parseHead } from '../../packages/gateway/src/capture/canonical-request.ts'
import { ClientHelloReader } from '../../packages/gateway/src/capture/client-hello.ts'
import {
  asRecord,
  fragment,
  handmadeHello,
  serverName,
} from '../../packages/gateway/src/capture/egress/testing/hello.ts'
import { cutAt, readRequests } from '../../packages/gateway/src/capture/http1/testing/requests.ts'
import { readResponse } from '../../packages/gateway/src/capture/http1/testing/responses.ts'
import { configTemplate } from '../../packages/gateway/src/cli/template.ts'
import { ConfigError, loadConfig } from '../../packages/gateway/src/config.ts'
import { ZipWriter } from '../../packages/gateway/src/evidence/zip-writer.ts'
import { LedgerError } from '../../packages/gateway/src/ledger.ts'
import {
  addendaOf,
  entriesOf,
  faultOf,
  putAddendum,
  putEntry,
} from '../../packages/gateway/src/ledger/entries.ts'
import {
  encodeSegmentHeader,
  frameBytes,
  putFrameEnd,
  putFrameHeader,
} from '../../packages/gateway/src/ledger/frame.ts'
import { encodePackRecord, readPack } from '../../packages/gateway/src/ledger/pack-record.ts'
import {
  decodeAppend,
  decodeError,
  decodeNumber,
  decodeProve,
  decodeStatus,
  encodeMessage,
  encodeNumber,
  MessageReader,
  MessageType,
} from '../../packages/gateway/src/ledger/protocol.ts'
import { scanWal } from '../../packages/gateway/src/ledger/scan.ts'
import { Slots } from '../../packages/gateway/src/witness/slots.ts'
import { vectors } from './target.ts'
import type { Target } from './target.ts'

const isLedgerError = (error: unknown): boolean => error instanceof LedgerError
const never = (): boolean => false

const MESSAGE_BYTES_MAX = 64 * 1024
const MARKER = Buffer.from('\u0001marker\u0002', 'latin1')
const SLOTS = { magic: 'CSFUZZ 1', slotBytes: 64 }

let folder: string | undefined

/** A folder for readers of files, made when the first is asked for, and gone with this process. */
function scratch(): string {
  if (folder !== undefined) return folder
  const made = mkdtempSync(join(tmpdir(), 'countersign-fuzz-'))
  process.on('exit', () => rmSync(made, { recursive: true, force: true }))
  mkdirSync(join(made, 'wal'))
  mkdirSync(join(made, 'addenda'))
  folder = made
  return made
}

/** Two entries, the first of which names an addendum, as they are sent and committed. */
function sections(): { count: number; entries: Buffer; addenda: Buffer } {
  const naming = Buffer.concat([
    Buffer.from('{}\n'),
    Buffer.alloc(32, 4),
    Buffer.from([0, 0, 0, 3, 1]),
  ])
  const plain = Buffer.from('{}\n\0')
  const entries = Buffer.alloc(naming.length + plain.length + 4)
  putEntry(entries, putEntry(entries, 0, naming), plain)
  const content = Buffer.from('an addendum')
  const addenda = Buffer.alloc(4 + content.length)
  putAddendum(addenda, 0, { content })
  return { count: 2, entries, addenda }
}

function appendPayload(): Buffer {
  const { count, entries, addenda } = sections()
  const head = Buffer.alloc(9)
  head.writeUInt8(1, 0)
  head.writeUInt32BE(count, 1)
  head.writeUInt32BE(entries.length, 5)
  return Buffer.concat([head, entries, addenda])
}

function messageSeeds(): Uint8Array[] {
  const messages = [
    encodeMessage(MessageType.hello, 1, Buffer.from('session')),
    encodeMessage(MessageType.append, 2, appendPayload()),
    encodeMessage(MessageType.prove, 3, Buffer.from([0, 0, 0, 0, 0, 0, 0, 7, 1])),
    encodeNumber(MessageType.entries, 4, 7),
    encodeMessage(MessageType.status, 5, Buffer.from('{"origin":"a","durable":1}')),
    encodeMessage(MessageType.error, 6, Buffer.from('LEDGER_FULL\nfull')),
  ]
  return [...messages, Buffer.concat(messages)]
}

/** What a connection makes of a stream, cut into pieces; and what is behind each message. */
function readMessages(input: Buffer, pieces: readonly Buffer[]): Buffer[] {
  const reader = new MessageReader(MESSAGE_BYTES_MAX)
  const messages: Buffer[] = []
  for (const piece of pieces) {
    reader.push(piece, ({ type, request, payload }) => {
      messages.push(encodeMessage(type, request, payload))
      readPayload(payload)
    })
  }
  const read = Buffer.concat(messages)
  ok(input.subarray(0, read.length).equals(read), 'messages are other bytes than were sent')
  return messages
}

function readPayload(payload: Buffer): void {
  for (const decode of [decodeAppend, decodeProve, decodeNumber, decodeStatus, decodeError]) {
    try {
      decode(payload)
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error
    }
  }
}

/** Lengths in `input` as a frame states them, with checksums that hold: what is behind the checksums is what is tried. */
function segmentOf(input: Buffer): Buffer {
  const bytes = 64 * 1024
  const segment = Buffer.alloc(bytes)
  encodeSegmentHeader({ number: 1, marker: MARKER, bytes }).copy(segment)
  const [count = 0, , , skewed = 0] = input
  const entriesBytes = input.length > 3 ? input.readUInt16BE(1) : 0
  const body = input.subarray(4, 4 + bytes / 2)
  const entries = body.subarray(0, entriesBytes)
  const addenda = body.subarray(entries.length)
  const frame = Buffer.alloc(frameBytes(entries.length, addenda.length))
  const start = {
    marker: MARKER,
    firstIndex: 0,
    count,
    entriesBytes: entries.length,
    addendaBytes: addenda.length,
  }
  const at = putFrameHeader(frame, start)
  entries.copy(frame, at)
  addenda.copy(frame, at + entries.length)
  putFrameEnd(frame, at + body.length, Buffer.alloc(32))
  frame.copy(segment, 32)
  // Sometimes what lies behind is a piece of a frame, too.
  if (skewed % 4 === 1) frame.copy(segment, 32 + frame.length, 0, Math.min(frame.length, skewed))
  return segment
}

function helloSeeds(): Uint8Array[] {
  const hello = handmadeHello({
    extensions: [serverName('example.com'), [16, Buffer.from([0, 3, 2, 0x68, 0x32])]],
  })
  return [hello, fragment(hello, 5), handmadeHello({}), asRecord(Buffer.alloc(40, 1))]
}

async function zipSeeds(): Promise<Buffer[]> {
  const pieces: Uint8Array[] = []
  const zip = new ZipWriter(async (bytes) => {
    pieces.push(Uint8Array.from(bytes))
  })
  await zip.add('manifest.json', Buffer.from('{}'))
  await zip.add('tile/entries/000', Buffer.alloc(3000, 'text that is packed '))
  await zip.finish()
  return [Buffer.concat(pieces)]
}
const zips = await zipSeeds()

export const insideTargets: readonly Target[] = [
  {
    name: 'ledger-messages',
    seeds: messageSeeds,
    isRefusal: isLedgerError,
    read: (input) => {
      const whole = readMessages(input, [input])
      const cuts = [input.length >>> 1, 3, input[0] ?? 0, input[5] ?? 0]
      const cut = readMessages(input, cutAt(input, cuts))
      ok(Buffer.concat(whole).equals(Buffer.concat(cut)), 'pieces change what is read')
      return undefined
    },
  },
  {
    name: 'ledger-sections',
    seeds: () => {
      const { entries, addenda } = sections()
      return [Buffer.concat([Buffer.from([2, 0, entries.length]), entries, addenda])]
    },
    isRefusal: never,
    read: (input) => {
      const [count = 0] = input
      const at = 3 + (input.length < 3 ? 0 : input.readUInt16BE(1))
      const given = { count, entries: input.subarray(3, at), addenda: input.subarray(at) }
      if (faultOf(given) !== undefined) return undefined
      ok(entriesOf(given.entries).length === count)
      addendaOf(given.addenda)
      return undefined
    },
  },
  {
    name: 'wal-segment',
    seeds: () => {
      const { entries, addenda } = sections()
      return [Buffer.concat([Buffer.from([2, 0, entries.length, 0]), entries, addenda])]
    },
    isRefusal: isLedgerError,
    read: (input) => {
      const wal = join(scratch(), 'wal')
      writeFileSync(join(wal, '0000000000000001.wal'), segmentOf(input))
      scanWal(wal, (frame) => {
        if (faultOf(frame) === undefined) ok(entriesOf(frame.entries).length === frame.count)
      })
      return undefined
    },
  },
  {
    name: 'wal-bytes',
    seeds: () => [
      segmentOf(
        Buffer.concat([Buffer.from([1, 0, 6, 0]), Buffer.from('\0\u0004{}\n\0', 'latin1')]),
      ).subarray(0, 256),
    ],
    isRefusal: isLedgerError,
    read: (input) => {
      const wal = join(scratch(), 'wal')
      const segment = Buffer.alloc(64 * 1024)
      input.copy(segment)
      writeFileSync(join(wal, '0000000000000001.wal'), segment)
      scanWal(wal, () => undefined)
      return undefined
    },
  },
  {
    name: 'pack',
    seeds: () => [
      Buffer.concat([
        encodePackRecord(3, 0, { content: Buffer.from('one') }),
        encodePackRecord(3, 1, { content: Buffer.alloc(300, 2) }),
        encodePackRecord(9, 0, { content: Buffer.from('two') }),
      ]),
    ],
    isRefusal: isLedgerError,
    read: async (input) => {
      writeFileSync(join(scratch(), 'addenda', '000.pack'), input)
      let at = 0
      for await (const { raw, end } of readPack(scratch(), 0)) {
        ok(raw.equals(input.subarray(at, end)), 'a record is other bytes than the pack')
        at = end
      }
      return undefined
    },
  },
  {
    name: 'slots',
    seeds: () => {
      const file = Buffer.alloc(256)
      for (let at = 0; at < 256; at += 64) file.write(SLOTS.magic, at, 'latin1')
      return [file, Buffer.alloc(0), Buffer.alloc(64)]
    },
    isRefusal: never,
    read: (input) => {
      const path = join(scratch(), 'state')
      writeFileSync(path, input)
      Slots.open(path, SLOTS).close()
      return undefined
    },
  },
  {
    name: 'http-request',
    seeds: () => vectors('gateway/testdata/http/requests.json', ['raw'], 'latin1'),
    isRefusal: never,
    read: (input) => {
      const whole = readRequests([input])
      const cut = readRequests(cutAt(input, [1, input.length >>> 1, input[3] ?? 0]))
      ok(
        whole.defect === cut.defect && whole.messages.length === cut.messages.length,
        'pieces change what is read',
      )
      for (const { head } of whole.messages) {
        parseHead(head, { listener: 'origin', scheme: 'http', bodyBytesMax: 2 ** 30 })
        parseHead(head, { listener: 'proxy', scheme: 'http', bodyBytesMax: 2 ** 30 })
      }
      return undefined
    },
  },
  {
    name: 'http-response',
    seeds: () =>
      [
        'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y\r\n\r\nok',
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n',
        'HTTP/1.0 304 Not Modified\r\n\r\n',
        'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end',
      ].map((text) => Buffer.from(text, 'latin1')),
    isRefusal: never,
    read: (input) => {
      for (const method of ['GET', 'HEAD']) {
        const whole = readResponse([input], method)
        const cut = readResponse(cutAt(input, [1, input.length >>> 1, input[3] ?? 0]), method)
        ok(typeof whole === typeof cut, 'pieces change what is read')
      }
      return undefined
    },
  },
  {
    name: 'client-hello',
    seeds: helloSeeds,
    isRefusal: never,
    read: (input) => {
      const whole = new ClientHelloReader(16_384).push(input)
      const reader = new ClientHelloReader(16_384)
      let cut = reader.push(Buffer.alloc(0))
      for (const piece of cutAt(input, [1, input.length >>> 1, input[4] ?? 0]))
        cut = reader.push(piece)
      ok(JSON.stringify(whole) === JSON.stringify(cut), 'pieces change what is read')
      return undefined
    },
  },
  {
    name: 'configuration',
    seeds: () => [Buffer.from(configTemplate('log.example.com/fuzz'))],
    isRefusal: (error) => error instanceof ConfigError,
    read: async (input) => {
      const path = join(scratch(), 'countersign.yaml')
      writeFileSync(path, input)
      await loadConfig(path, { files: 'unchecked' })
      return undefined
    },
  },
  {
    name: 'zip',
    seeds: () => zips,
    isRefusal: (error) => error instanceof ZipError,
    read: async (input) => {
      const read = async (start: number, end: number): Promise<Uint8Array> =>
        input.subarray(start, end)
      const zip = await ZipReader.open({ size: input.length, read })
      for (const name of zip.names()) await zip.read(name)
      return undefined
    },
  },
]
