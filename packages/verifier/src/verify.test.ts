import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import test from 'node:test'

import { encodeDraft } from '@countersign/record/encode'
import { someDraft } from '@countersign/record/encode.testing'
import { cosignMlDsa44 } from '@countersign/tlog/cosignature'
import { keyId, parseVkey, SignatureType } from '@countersign/tlog/key'
import { formatNote } from '@countersign/tlog/note'
import * as fc from 'fast-check'

import { FINDINGS_MAX } from './finding.ts'
import { nodeCrypto } from './node-io.ts'
import { logKey, openEntries, SampleLog, testKey } from './sample-log.testing.ts'
import type { LogSource } from './source.ts'
import { verifyLog } from './verify.ts'
import type { Report, VerifyOptions } from './verify.ts'

type Files = Map<string, Uint8Array>

const keys = [parseVkey(logKey.vkey, nodeCrypto.sha256)]

test('a log of any size is verified, with its superseded partial tiles', async () => {
  for (const sizes of [[0], [1], [2, 255], [256], [3, 257], [300, 511, 513]]) {
    const { files } = await logOf(sizes)
    const report = await verify(files)
    assert.deepEqual(report.findings, [], String(sizes))
    assert.equal(report.verified, true)
    assert.equal(report.size, sizes.at(-1))
    assert.deepEqual(report.signedBy, ['log.example.com/test'])
    assert.equal(report.openIntents, report.size % 2)
  }
})

test('every single-bit flip of every file of a small log is found, and the finding names that file', async () => {
  // Small but real records, so that every bit fits in a few seconds.
  const { files } = await logOf([1, 2], smallEntries())
  for (const [path, bytes] of files) {
    for (let bit = 0; bit < bytes.length * 8; bit++) await assertFlipFound(files, path, bit)
  }
})

test('a single-bit flip in a log of three levels is found, and the finding names that file', async () => {
  const { files } = await logOf([300, 65_536 + 300])
  const paths = ['tile/2/000.p/1', 'tile/1/000', 'tile/entries/000']
  for (const path of paths) {
    const bits = (files.get(path)?.length ?? 0) * 8
    assert.ok(bits > 0, path)
    const [at] = fc.sample(fc.nat(bits - 1), 1)
    await assertFlipFound(files, path, at ?? 0)
  }
})

test('a single-bit flip anywhere in a log with a level above is found, and the finding names that file', async () => {
  const { files } = await logOf([255, 256, 517])
  const paths = [...files.keys()]
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...paths),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      async (path, where) => {
        await assertFlipFound(files, path, Math.floor(where * 8 * (files.get(path)?.length ?? 0)))
      },
    ),
    { numRuns: 150 },
  )
})

test('a file that is missing is named', async () => {
  const { files } = await logOf([517])
  for (const path of files.keys()) {
    const report = await verify(new Map([...files].filter(([name]) => name !== path)))
    assert.deepEqual(
      report.findings.map((finding) => [finding.code, finding.path]),
      [['FILE_MISSING', path]],
    )
  }
})

test('a file cut short at any byte is named', async () => {
  const { files } = await logOf([3])
  for (const [path, bytes] of files) {
    for (let length = 0; length < bytes.length; length++) {
      const report = await verify(new Map(files).set(path, bytes.subarray(0, length)))
      assert.ok(
        report.findings.some((finding) => finding.path === path),
        `${path} cut to ${length}`,
      )
    }
  }
})

test('a file that is no part of a log is named', async () => {
  const { files } = await logOf([3])
  for (const path of [
    'tile/0/000.p/03',
    'tile/0/0',
    'notes.txt',
    'tile/0/000.p/0',
    'checkpoint.tmp',
  ]) {
    const report = await verify(new Map(files).set(path, Buffer.from('x')))
    assert.deepEqual(
      report.findings.map((finding) => [finding.code, finding.path]),
      [['FILE_UNEXPECTED', path]],
    )
  }
})

test('entries that were signed but are no records are findings, each with its index', async () => {
  const entries = openEntries()
  let count = 0
  const { files } = await logOf([20], () =>
    count++ % 10 === 7 ? Buffer.from('not a record') : entries(),
  )
  const report = await verify(files)
  assert.deepEqual(
    report.findings.map(({ code, entry }) => [code, entry]),
    [
      ['RECORD_MALFORMED', 7],
      ['RECORD_MALFORMED', 17],
    ],
  )
})

test('a record left out of its session is found although the tree is whole', async () => {
  const entries = openEntries()
  let count = 0
  const { files } = await logOf([300], () => {
    if (count++ === 270) entries()
    return entries()
  })
  const { findings } = await verify(files)
  assert.deepEqual(
    findings.map(({ code, entry, path }) => [code, entry, path]),
    [['SESSION_BROKEN', 270, 'tile/entries/001.p/44']],
  )
})

test('a session that does not start at number 0, or names a wrong predecessor, is found', async () => {
  const session = '01890a5d-ac96-774b-bcce-b302099a8057'
  for (const stamps of [
    [{ session, seq: 1 }],
    [{ session, seq: 0, prev: session }],
    [
      { session, seq: 0 },
      { session, seq: 1, prev: session },
    ],
    [
      { session, seq: 0 },
      { session, seq: 0, prev: someDraft.leaf.id },
    ],
  ]) {
    const rest = stamps.values()
    const { files } = await logOf([stamps.length], () =>
      encodeDraft(
        someDraft,
        rest.next().value ?? { session, seq: 9 },
        nodeCrypto.sha256,
      ).entry.slice(),
    )
    assert.deepEqual(
      (await verify(files)).findings.map(({ code }) => code),
      ['SESSION_BROKEN'],
    )
  }
})

test('a checkpoint signed by another key is not believed, and neither is one without a signature of the log itself', async () => {
  const { files, log } = await logOf([3])
  const stranger = testKey(2)
  await log.publish(stranger)
  assert.deepEqual(
    (await verify(files)).findings.map(({ code }) => code),
    ['CHECKPOINT_SIGNATURE'],
  )
  const witness = testKey(3, 'witness.example.com')
  await log.publish(witness)
  const byWitness = await verify(files, { keys: [parseVkey(witness.vkey, nodeCrypto.sha256)] })
  assert.deepEqual(
    byWitness.findings.map(({ code }) => code),
    ['CHECKPOINT_SIGNATURE'],
  )
})

test('a log that signs with ML-DSA-44 too is believed for either key, and for neither when one of them signed badly', async () => {
  const { files, notes } = await logOf([3])
  const [note = ''] = notes
  const text = note.slice(0, note.indexOf('\n\n') + 1)
  const origin = text.slice(0, text.indexOf('\n'))
  const { publicKey, privateKey } = generateKeyPairSync('ml-dsa-44')
  const named = {
    name: origin,
    type: SignatureType.mlDsa44,
    publicKey: new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(-1312)),
  }
  const key = { ...named, id: keyId(named, nodeCrypto.sha256) }
  const line = await cosignMlDsa44(text, {
    ...key,
    timestamp: 1n,
    sign: (message) => sign(null, message, privateKey),
  })
  const both = new Map(files).set('checkpoint', Buffer.from(`${note}${line}\n`))
  const pqOnly = new Map(files).set('checkpoint', Buffer.from(formatNote(text, [line])))
  for (const [log, given] of [
    [both, [...keys, key]],
    [both, keys],
    [both, [key]],
    [pqOnly, [key]],
    [pqOnly, [...keys, key]],
  ] as const)
    assert.deepEqual((await verify(log, { keys: given })).signedBy, [origin])
  const at = note.length + 100
  const flipped = flip(both, 'checkpoint', at * 8)
  assert.equal((await verify(flipped, { keys: [...keys, key] })).verified, false)
  assert.equal((await verify(pqOnly)).verified, false, 'its key was not given')
  const { verifyMlDsa44: _, ...without } = nodeCrypto
  assert.equal((await verify(pqOnly, { keys: [key], crypto: without })).verified, false)
})

test('without a key the report says that no signature was checked', async () => {
  const { files } = await logOf([3])
  const report = await verify(files, { keys: [] })
  assert.equal(report.verified, true)
  assert.equal(report.signatureChecked, false)
  assert.deepEqual(report.signedBy, [])
})

test('a signed root that the tiles do not lead to is found', async () => {
  const { files } = await logOf([3])
  const other = await logOf([3], openEntries(5))
  files.set('checkpoint', other.files.get('checkpoint') ?? Buffer.from(''))
  assert.deepEqual(
    (await verify(files)).findings.map(({ code, path }) => [code, path]),
    [['ROOT_MISMATCH', 'checkpoint']],
  )
})

test('a log that grew from an earlier checkpoint is verified from it', async () => {
  for (const sizes of [
    [0, 5],
    [5, 5],
    [1, 300],
    [256, 600],
    [300, 65_537],
  ]) {
    const { files, notes } = await logOf(sizes)
    const report = await verify(files, { from: Buffer.from(notes[0] ?? '') })
    assert.deepEqual(report.findings, [])
    assert.equal(report.grownFrom, sizes[0])
  }
})

test('a log that shrank, forked, or is another one, is told apart', async () => {
  const { files, notes } = await logOf([300, 400])
  const fork = await logOf([300, 400, 500], openEntries(7))
  const codes = async (note: string | undefined): Promise<string[]> =>
    (await verify(files, { from: Buffer.from(note ?? '') })).findings.map(
      ({ code, message }) => `${code} ${message.slice(0, 10)}`,
    )
  assert.deepEqual(await codes(fork.notes[2]), ['LOG_SHRANK the log sh'])
  assert.deepEqual(await codes(fork.notes[1]), ['LOG_FORKED the log fo'])
  assert.deepEqual(await codes(fork.notes[0]), ['LOG_FORKED the log fo'])
  assert.deepEqual(await codes(notes[0]?.replace('test', 'tesu')), [
    'CHECKPOINT_SIGNATURE could not ',
  ])
})

test('files newer than the checkpoint must go on from it, and agree with each other', async () => {
  const { files, notes, log } = await logOf([300])
  log.append(300)
  await log.publish()
  files.set('checkpoint', Buffer.from(notes[0] ?? ''))
  const report = await verify(files)
  assert.deepEqual(report.findings, [])
  assert.ok(report.ahead >= 4)
  for (const path of ['tile/0/001', 'tile/entries/001', 'tile/1/000.p/2', 'tile/0/002.p/88']) {
    const flipped = await verify(flip(files, path, 8 * 32 * 45))
    assert.equal(flipped.verified, path === 'tile/1/000.p/2' && flipped.findingsTotal === 0, path)
  }
})

test('a partial tile that gave way to a wider one since the checkpoint is read from that', async () => {
  const { files, notes, log } = await logOf([300])
  log.append(100)
  await log.publish()
  files.set('checkpoint', Buffer.from(notes[0] ?? ''))
  for (const path of ['tile/0/001.p/44', 'tile/entries/001.p/44']) files.delete(path)
  assert.deepEqual((await verify(files)).findings, [])
})

test('findings are kept up to a limit and counted beyond it', async () => {
  const { files } = await logOf([257])
  const bundle = files.get('tile/entries/000') ?? new Uint8Array(0)
  // Same lengths, other bytes: every entry of the bundle is wrong.
  const wrong = bundle.map((byte) => (byte === 0x61 ? 0x62 : byte))
  const report = await verify(new Map(files).set('tile/entries/000', wrong))
  assert.equal(report.findings.length, FINDINGS_MAX)
  assert.ok(report.findingsTotal > 256)
})

test('findings of further checks count', async () => {
  const { files } = await logOf([3])
  const report = await verify(files, {
    extra: async function* ({ size }) {
      yield { code: 'EXTRA_CHECK', path: 'wal', message: `${size}` }
    },
  })
  assert.equal(report.verified, false)
  assert.equal(report.findings[0]?.message, '3')
})

async function logOf(
  sizes: readonly number[],
  nextEntry?: () => Uint8Array,
): Promise<{ files: Files; notes: string[]; log: SampleLog }> {
  const files: Files = new Map()
  const log = new SampleLog(
    (path, bytes) => void files.set(path, Uint8Array.from(bytes)),
    nextEntry,
  )
  const notes: string[] = []
  let size = 0
  for (const next of sizes) {
    log.append(next - size)
    size = next
    notes.push(await log.publish())
  }
  return { files, notes, log }
}

function smallEntries(): () => Uint8Array {
  const session = '01890a5d-ac96-774b-bcce-b302099a8057'
  let seq = 0
  return () => {
    const leaf = {
      v: 1,
      id: session,
      class: 'read',
      action: 'a',
      phase: 'single',
      time: { occurred: '1' },
    } as const
    const prev = seq === 0 ? undefined : session
    return encodeDraft(
      { leaf, addenda: [] },
      { session, seq: seq++, prev },
      nodeCrypto.sha256,
    ).entry.slice()
  }
}

async function verify(files: Files, options: Partial<VerifyOptions> = {}): Promise<Report> {
  return verifyLog({ source: sourceOf(files), crypto: nodeCrypto, keys, ...options })
}

function sourceOf(files: Files): LogSource {
  return {
    read: (path) => files.get(path),
    list: async () => [...files.keys()],
    widths: (folder) =>
      [...files.keys()]
        .filter((path) => path.startsWith(`${folder}/`))
        .map((path) => Number(path.slice(folder.length + 1))),
  }
}

function flip(files: Files, path: string, bit: number): Files {
  const bytes = Uint8Array.from(files.get(path) ?? [])
  const at = Math.floor(bit / 8)
  bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit % 8))
  return new Map(files).set(path, bytes)
}

async function assertFlipFound(files: Files, path: string, bit: number): Promise<void> {
  const report = await verify(flip(files, path, bit))
  const named = report.findings.map((finding) => finding.path)
  assert.ok(named.includes(path), `bit ${bit} of ${path}: ${JSON.stringify(report.findings)}`)
  assert.deepEqual([...new Set(named)], [path], `bit ${bit} of ${path} also blames others`)
}
