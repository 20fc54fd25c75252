/** The public formats: everything that packages/tlog, record and verifier read. */
import { readFileSync } from 'node:fs'
import {
  formatAddCheckpoint,
  formatLatestSize,
  parseAddCheckpoint,
  parseLatestSize,
} from '@countersign/tlog/add-checkpoint'
import { decodeAddendaEntry, encodeAddendaEntry } from '@countersign/tlog/addenda'
import { decodeBase64, decodeHex, encodeBase64, encodeHex } from '@countersign/tlog/base64'
import { decodeBundle, encodeBundle } from '@countersign/tlog/bundle'
import { formatCheckpoint, parseCheckpoint } from '@countersign/tlog/checkpoint'
import { openChunked, sealChunked } from '@countersign/tlog/chunked-encryption'
import {
  formatMlDsa44Signature,
  formatTimestampedSignature,
  parseMlDsa44Signature,
  parseTimestampedSignature,
} from '@countersign/tlog/cosignature'
import { TlogError } from '@countersign/tlog/errors'
import { formatSkey, formatVkey, parseSkey, parseVkey } from '@countersign/tlog/key'
import { formatNote, openNote, parseNote, parseSignatureLines } from '@countersign/tlog/note'
import { formatReceipt, parseReceipt } from '@countersign/tlog/receipt'
import { parseDecimal } from '@countersign/tlog/size'
import { parseTilePath, tilePath } from '@countersign/tlog/tile'
import { parsePolicy } from '@countersign/tlog/witness-policy'
import { decodeAddendum, decodeBody, decodeEntry, scanEntry } from '@countersign/record/decode'
import { encodeAddendum } from '@countersign/record/encode'
import { decodeEnvelope, encodeEnvelope, envelopeHead } from '@countersign/record/envelope'
import { RecordError } from '@countersign/record/errors'
import { formatLeafList, parseLeafList } from '@countersign/record/leaf-list'
import {
  ed25519PublicKey,
  ed25519Verify,
  mlDsa44,
  sealPrimitives,
  sha256,
} from '../../packages/gateway/src/cryptography.ts'
import { textTarget, vectors } from './target.ts'
import type { Target } from './target.ts'

const isTlogError = (error: unknown): boolean => error instanceof TlogError
const isRecordError = (error: unknown): boolean => error instanceof RecordError

type Read = (text: string) => string | undefined

/** `of` is a file of vectors, and the members in it that hold an input. */
function tlogText(name: string, of: readonly string[], read: Read): Target {
  const [file = '', ...members] = of
  const seeds = (): Uint8Array[] => vectors(`tlog/testdata/${file}`, members)
  return textTarget(name, { seeds, read, isRefusal: isTlogError })
}

function tlogBytes(name: string, seeds: () => Uint8Array[], read: Target['read']): Target {
  return { name, seeds, read, isRefusal: isTlogError }
}

const ofNote = (note: string): string => {
  const { text, signatures } = parseNote(note)
  return formatNote(
    text,
    signatures.map(({ line }) => line),
  )
}

const tlogTargets: readonly Target[] = [
  tlogText('note', ['note.json', 'note'], ofNote),
  tlogText('signature-lines', ['cosignature.json', 'line'], (text) => {
    const lines = parseSignatureLines(text.endsWith('\n') ? text : `${text}\n`)
    const again = lines.map(({ line }) => `${line}\n`).join('')
    return text.endsWith('\n') ? again : again.slice(0, -1)
  }),
  tlogText('checkpoint', ['checkpoint.json', 'text', 'input'], (text) =>
    formatCheckpoint(parseCheckpoint(text)),
  ),
  tlogText('add-checkpoint', ['add-checkpoint.json', 'body', 'input'], (text) =>
    formatAddCheckpoint(parseAddCheckpoint(text)),
  ),
  tlogText('latest-size', ['decimal.json', 'input'], (text) =>
    formatLatestSize(parseLatestSize(text)),
  ),
  tlogText('receipt', ['receipt.json', 'receipt'], (text) => formatReceipt(parseReceipt(text))),
  tlogText('vkey', ['key.json', 'vkey'], (text) => formatVkey(parseVkey(text, sha256))),
  tlogText('skey', ['key.json', 'skey'], (text) =>
    formatSkey(parseSkey(text, sha256, ed25519PublicKey)),
  ),
  tlogText('policy', ['policy.json', 'policy', 'input'], (text) => {
    parsePolicy(text, sha256)
    return undefined
  }),
  tlogText('base64', ['base64.json', 'input'], (text) => encodeBase64(decodeBase64(text))),
  tlogText('hex', ['base64.json', 'hex', 'input'], (text) => encodeHex(decodeHex(text))),
  tlogText('decimal', ['decimal.json', 'input'], (text) => String(parseDecimal(text))),
  tlogText('tile-path', ['tile.json', 'path', 'input'], (text) => tilePath(parseTilePath(text))),
  tlogBytes(
    'bundle',
    () => vectors('tlog/testdata/bundle.json', ['bundle'], 'hex'),
    (input) => encodeBundle(decodeBundle(input)),
  ),
  tlogBytes(
    'addenda-entry',
    () => vectors('tlog/testdata/addenda.json', ['entry'], 'hex'),
    (input) => {
      const { content, offsets } = decodeAddendaEntry(input)
      return encodeAddendaEntry(content, offsets)
    },
  ),
  tlogBytes(
    'cosignature',
    () => [Buffer.alloc(72, 1)],
    (input) => formatTimestampedSignature(parseTimestampedSignature(input)),
  ),
  tlogBytes(
    'cosignature-ml-dsa',
    () => [Buffer.alloc(2428, 1)],
    (input) => formatMlDsa44Signature(parseMlDsa44Signature(input)),
  ),
  tlogBytes(
    'opened-note',
    () => vectors('tlog/testdata/note.json', ['note']),
    async (input) => {
      await openNote(input, {
        keys: [noteKey()],
        sha256,
        verify: ed25519Verify,
        verifyMlDsa44: mlDsa44.verify,
      })
      return undefined
    },
  ),
  tlogBytes(
    'sealed',
    () => sealedSeeds(),
    (input) => {
      const plaintext = openChunked(
        input,
        { key: sealingKey, context: sealingContext },
        sealPrimitives,
      )
      return sealChunked(
        plaintext,
        { key: sealingKey, salt: input.subarray(0, 24), context: sealingContext },
        sealPrimitives,
      )
    },
  ),
]

const sealingKey = Buffer.alloc(32, 7)
const sealingContext = Buffer.from('a context')

function sealedSeeds(): Uint8Array[] {
  return [0, 1, 100, 16 * 1024, 16 * 1024 + 1].map((bytes) =>
    sealChunked(
      Buffer.alloc(bytes, 9),
      { key: sealingKey, salt: Buffer.alloc(24, bytes & 0xff), context: sealingContext },
      sealPrimitives,
    ),
  )
}

function noteKey(): ReturnType<typeof parseVkey> {
  const [vkey = ''] = vectors('tlog/testdata/key.json', ['vkey']).map(String)
  return parseVkey(vkey, sha256)
}

const entries = (): Uint8Array[] => vectors('record/testdata/record-v1.json', ['entry'], 'hex')

/** The addenda of the vectors, and bodies. */
function addendumSeeds(): Uint8Array[] {
  const path = new URL('../../packages/record/testdata/record-v1.json', import.meta.url)
  const found = readFileSync(path, 'utf8').match(/[0-9a-f]{64,}/g) ?? []
  const given = found
    .map((hex) => Buffer.from(hex, 'hex'))
    .filter((bytes) => bytes.subarray(0, 9).toString() === '{"salt":"')
  const made = encodeAddendum(
    'request',
    { method: 'GET', list: [1, { a: null }], text: '\u00e9"' },
    Buffer.alloc(16, 3),
  )
  return [...given, made.content]
}

const recordTargets: readonly Target[] = [
  {
    name: 'entry',
    seeds: entries,
    isRefusal: isRecordError,
    read: (input) => {
      const { leaf, digests } = decodeEntry(input)
      const head = scanEntry(input)
      if (
        head.id !== leaf.id ||
        head.seq !== leaf.seq ||
        head.session !== leaf.session ||
        head.prev !== leaf.prev
      )
        throw new Error('scanEntry says another thing than decodeEntry')
      // One spelling: the JSON of the leaf as an encoder writes it, then the digests where the offsets say.
      const json = Buffer.from(`${JSON.stringify(leaf)}\n`)
      const offsets = digests.map((_, nth) => json.length + 32 * nth)
      return Buffer.from(encodeAddendaEntry(Buffer.concat([json, ...digests]), offsets))
    },
  },
  {
    name: 'scanned-entry',
    seeds: entries,
    isRefusal: isRecordError,
    read: (input) => {
      scanEntry(input)
      // As strict as the decoder: what it lets through, that must read, too.
      try {
        decodeEntry(input)
      } catch (error) {
        throw new Error('scanEntry accepted what decodeEntry refuses', { cause: error })
      }
      return undefined
    },
  },
  {
    name: 'addendum',
    seeds: addendumSeeds,
    isRefusal: isRecordError,
    read: (input) => {
      const { salt, object } = decodeAddendum(input)
      return encodeAddendum('request', object, salt).content
    },
  },
  {
    name: 'body',
    seeds: () => [Buffer.alloc(16), Buffer.alloc(40, 1)],
    isRefusal: isRecordError,
    read: (input) => {
      const { salt, piece } = decodeBody(input)
      return Buffer.concat([salt, piece])
    },
  },
  {
    name: 'envelope',
    seeds: () =>
      [undefined, '2026-11-26'].map((period) =>
        encodeEnvelope(envelopeHead('s-0123456789abcdef', period), Buffer.alloc(40, 5)),
      ),
    isRefusal: isRecordError,
    read: (input) => {
      const { subject, period, wrappedKey } = decodeEnvelope(input)
      return encodeEnvelope(envelopeHead(subject, period), wrappedKey)
    },
  },
  textTarget('leaf-list', {
    seeds: () => ['', '0', '3,17-19', '0-9007199254740991'].map((text) => Buffer.from(text)),
    isRefusal: isRecordError,
    read: (text) => {
      const runs = parseLeafList(text)
      // Long runs are not written out.
      if (runs.some(({ from, to }) => to - from > 1000)) return undefined
      return formatLeafList(
        runs.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, n) => from + n)),
      )
    },
  }),
]

export const formatTargets: readonly Target[] = [...tlogTargets, ...recordTargets]
