import assert from 'node:assert/strict'
import test from 'node:test'

import { encodeDraft } from '@countersign/record/encode'
import { openIds } from '@countersign/record/id'
import type { Lifecycle } from '@countersign/record/leaf'
import { encodeHex } from '@countersign/tlog/base64'
import { parseCheckpoint } from '@countersign/tlog/checkpoint'
import { parseVkey } from '@countersign/tlog/key'
import { parseNote } from '@countersign/tlog/note'

import { nodeCrypto } from './node-io.ts'
import { logKey, openEntries, SampleLog, testKey } from './sample-log.testing.ts'
import type { LogSource } from './source.ts'
import { summary } from './summary.ts'
import { verifyLog } from './verify.ts'
import type { Report, VerifyOptions } from './verify.ts'

const NEW = 'log.example.com/new'
const newKey = testKey(9, NEW)
const keys = [logKey, newKey].map(({ vkey }) => parseVkey(vkey, nodeCrypto.sha256))

type Files = Map<string, Uint8Array>
type Rotation = Extract<Lifecycle, { kind: 'rotation' }>

/** An old log as it is at the last of these sizes, its notes, and what it was at each. No two are alike. */
async function oldLog(sizes: readonly number[]): Promise<[Files, string[], Files[]]> {
  const files: Files = new Map()
  const log = new SampleLog(
    (path, bytes) => void files.set(path, Uint8Array.from(bytes)),
    openEntries(),
  )
  const notes: string[] = []
  const states: Files[] = []
  let size = 0
  for (const next of sizes) {
    log.append(next - size)
    size = next
    notes.push(await log.publish())
    states.push(new Map(files))
  }
  return [files, notes, states]
}

/** A log whose entry 0 continues `note`, or says what `changed` says. */
async function newLog(note: string, changed: Partial<Rotation> = {}): Promise<Files> {
  const { origin, size, root } = parseCheckpoint(parseNote(note).text)
  const rotation: Rotation = {
    kind: 'rotation',
    origin,
    size: Number(size),
    root: encodeHex(root),
    checkpoint: note,
    ...changed,
  }
  const id = openIds({ nowMs: () => 1_753_871_234_567 })
  const leaf = {
    v: 1,
    id: id(),
    class: 'ledger',
    action: 'ledger.rotation',
    phase: 'single',
    time: { occurred: '1753871234567000000' },
    lifecycle: rotation,
  } as const
  const stamp = { session: id(), seq: 0 }
  const first = encodeDraft({ leaf, addenda: [] }, stamp, nodeCrypto.sha256).entry.slice()
  const rest = openEntries()
  let given = 0
  const files: Files = new Map()
  const log = new SampleLog(
    (path, bytes) => void files.set(path, Uint8Array.from(bytes)),
    () => (given++ === 0 ? first : rest()),
    NEW,
  )
  log.append(5)
  await log.publish(newKey)
  return files
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

const codes = ({ findings }: Report): string[] => findings.map(({ code }) => code)

test('a log says by itself which log it continues, at which size, and who signed that', async () => {
  const [, [note = '']] = await oldLog([300])
  const files = await newLog(note)
  const report = await verify(files)
  assert.deepEqual(report.findings, [])
  assert.deepEqual(report.continues, {
    origin: 'log.example.com/test',
    size: 300,
    root: report.continues?.root,
    signedBy: ['log.example.com/test'],
    now: undefined,
  })
  assert.match(
    summary(report, 1),
    /continues {3}log.example.com\/test at 300 entries, signed by log.example.com\/test\n/,
  )
  const onlyNew = await verify(files, { keys: keys.slice(1) })
  assert.equal(onlyNew.verified, true)
  assert.match(summary(onlyNew, 1), /at 300 entries, its signature was NOT checked/)
})

test('the old log at hand must begin with what was continued, and may have grown', async () => {
  const [after, [note = ''], [before = after]] = await oldLog([300, 310])
  const files = await newLog(note)
  const same = await verify(files, { continues: sourceOf(before) })
  assert.equal(same.continues?.now, 300)
  assert.match(summary(same, 1), /old log {5}still begins with those entries\n/)
  const grown = await verify(files, { continues: sourceOf(after) })
  assert.deepEqual([grown.verified, grown.continues?.now], [true, 310])
  assert.match(summary(grown, 1), /it has grown by 10 since, outside of this log/)
})

test('an old log that shrank, forked, was exchanged or cannot be believed is a finding', async () => {
  const [whole, [note = '']] = await oldLog([300])
  const files = await newLog(note)
  const against = async (old: Files, options: Partial<VerifyOptions> = {}): Promise<string[]> =>
    codes(await verify(files, { continues: sourceOf(old), ...options }))
  const [shrunk] = await oldLog([299])
  assert.deepEqual(await against(shrunk), ['LOG_SHRANK'])
  const [forked] = await oldLog([300])
  assert.deepEqual(await against(forked), ['LOG_FORKED'])
  const [forkedAndGrown] = await oldLog([310])
  assert.deepEqual(await against(forkedAndGrown), ['LOG_FORKED'])
  assert.deepEqual(await against(files), ['LOG_FORKED'], 'the new log itself')
  assert.deepEqual(await against(new Map()), ['FILE_MISSING'])
  assert.deepEqual(await against(whole, { keys: keys.slice(1) }), ['CHECKPOINT_SIGNATURE'])
})

test('a record that does not say what its checkpoint says is a finding, and so is a signature that fails', async () => {
  const [, [note = '']] = await oldLog([300])
  for (const changed of [
    { size: 299 },
    { origin: 'log.example.com/other' },
    { root: '00'.repeat(32) },
    { checkpoint: 'no note' },
  ]) {
    const report = await verify(await newLog(note, changed))
    assert.deepEqual(codes(report), ['ROTATION_MISMATCH'], JSON.stringify(changed))
    assert.equal(report.findings[0]?.entry, 0)
  }
  const [, [other = '']] = await oldLog([300])
  const line = other.slice(other.indexOf('\n\n') + 2)
  const forged = note.slice(0, note.indexOf('\n\n') + 2) + line
  assert.deepEqual(codes(await verify(await newLog(forged))), ['CHECKPOINT_SIGNATURE'])
})

test('a log that continues no other is told from one that does', async () => {
  const [files] = await oldLog([3])
  assert.equal((await verify(files)).continues, undefined)
  assert.deepEqual(codes(await verify(files, { continues: sourceOf(files) })), [
    'ROTATION_MISMATCH',
  ])
})
