import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { cosign } from '@countersign/tlog/cosignature'
import { formatVkey, keyId, SignatureType } from '@countersign/tlog/key'
import { parseNote } from '@countersign/tlog/note'
import { logKey, testKey } from '@countersign/verifier/sample-log.testing'
import { ed25519PublicKey, ed25519Sign, sha256 } from '../cryptography.ts'
import type { Finding } from '@countersign/verifier/finding'
import { findByTime, findSession } from './places.ts'
import { ALICE, BOB, FIRST_SESSION, SECOND_SESSION, START_MS, tellStory } from './testing/story.ts'
import type { Story } from './testing/story.ts'
import { bundleOf, check } from './testing/written.ts'

const none: readonly Finding[] = []
let story: Story

before(async () => {
  story = await tellStory({ transactions: 150 })
})

test('a range is complete, verified by the key of the log, and read row by row', async () => {
  const scope = { kind: 'range', range: { from: 300, to: 520 } } as const
  const { zip, complete } = await bundleOf(story, { scope })
  const { report, rows } = await check(zip)
  assert.deepEqual([report.findings, report.verified, report.trust], [none, true, 'given'])
  assert.equal(complete, true)
  assert.deepEqual(report.manifest?.carried, { from: 256, to: 767 })
  assert.equal(report.records, 512)
  assert.equal(rows?.count, 221)
  const [first] = (await rows?.read(0, 1)) ?? []
  assert.deepEqual([first?.index, first?.leaf?.phase], [300, 'outcome'])
  assert.deepEqual(await rows?.read(221, 10), [])
})

test('the whole log travels with its earlier checkpoint, its gaps, its erasures and its sessions', async () => {
  const { size } = story.log.head
  const scope = { kind: 'range', range: { from: 0, to: size - 1 } } as const
  const { zip } = await bundleOf(story, { scope, request: { earlier: story.earlier } })
  const { report, rows } = await check(zip)
  assert.deepEqual(report.findings, none)
  assert.equal(report.grownFrom, Math.floor(size / 2))
  assert.deepEqual([report.gapsTotal, report.gapRecordsTotal, report.erasuresTotal], [2, 6, 1])
  assert.deepEqual(
    report.sessions.map(({ id, ended }) => [id, ended]),
    [
      [FIRST_SESSION, true],
      [SECOND_SESSION, true],
    ],
  )
  // The record that the erasure speaks of: its addendum is not missing, it was erased.
  const [erased] = (await rows?.read(3, 1)) ?? []
  assert.deepEqual(
    erased?.addenda.map(({ state, erasedBy }) => [state, erasedBy]),
    [['erased', size - 2]],
  )
})

test('a session is complete from its first record to its shutdown', async () => {
  const found = await findSession(story.log, SECOND_SESSION)
  const { isOpen, ...range } = found
  assert.equal(isOpen, false)
  const scope = { kind: 'session', session: SECOND_SESSION, range, isOpen } as const
  const { report } = await check((await bundleOf(story, { scope })).zip)
  assert.deepEqual([report.findings, report.completeness.proven], [none, true])
  assert.match(report.completeness.says.join(' '), /from its first record to its shutdown/)
})

test('a session whose beginning did not come along is not complete, and says so', async () => {
  const { isOpen, from, to } = await findSession(story.log, FIRST_SESSION)
  const range = { from: from + 300, to }
  const scope = { kind: 'session', session: FIRST_SESSION, range, isOpen } as const
  const { report } = await check((await bundleOf(story, { scope })).zip)
  assert.deepEqual([report.findings, report.completeness.proven], [none, false])
  assert.match(report.completeness.says.join(' '), /from its record 256 to .*not from its first/)
})

test('a session that has not ended is complete up to the end of the log only', async () => {
  const half = { from: 0, to: 255 }
  const scope = { kind: 'session', session: FIRST_SESSION, range: half, isOpen: false } as const
  const { report } = await check((await bundleOf(story, { scope })).zip)
  assert.equal(report.completeness.proven, false)
  assert.match(report.completeness.says.join(' '), /which is no shutdown, and the log goes on/)
})

test('a person’s records travel alone, their content opened, and claim no completeness', async () => {
  const within = { from: 0, to: story.log.head.size - 1 }
  const scope = { kind: 'person', pseudonym: ALICE, within, complete: false } as const
  const { zip, opened } = await bundleOf(story, { scope, opening: 'chosen' })
  const { report, rows } = await check(zip)
  assert.deepEqual([report.findings, report.completeness.proven], [none, false])
  assert.match(report.completeness.says.join(' '), /nothing here shows that there are no others/)
  assert.equal(opened, story.alices.length / 2)
  assert.equal(rows?.count, story.alices.length)
  assert.equal(zip.includes(BOB), false)
  const [sealed, , clear] = (await rows?.read(0, 3)) ?? []
  for (const row of [sealed, clear])
    assert.match(Buffer.from(row?.addenda[0]?.content ?? []).toString(), /"name":"alice <b>"/)
})

test('a person’s records within a range that came along are found again, and are complete', async () => {
  const within = { from: 9, to: 500 }
  const scope = { kind: 'person', pseudonym: ALICE, within, complete: true } as const
  const { zip } = await bundleOf(story, { scope, opening: 'chosen' })
  const { report, rows } = await check(zip)
  assert.deepEqual([report.findings, report.completeness.proven], [none, true])
  assert.equal(rows?.count, story.alices.filter((index) => index >= 9 && index <= 500).length)
})

test('chosen records open alone; all others stay closed', async () => {
  const [first = 0, second = 0] = story.alices
  const scope = { kind: 'record', indexes: [second, first] } as const
  const { zip, opened } = await bundleOf(story, { scope, opening: 'chosen' })
  const { report, rows } = await check(zip)
  assert.deepEqual([report.findings, opened, rows?.count], [none, 1, 2])
})

test('without a key of the reader’s own a bundle only fits together', async () => {
  const scope = { kind: 'record', indexes: [0] } as const
  const { zip } = await bundleOf(story, { scope })
  assert.equal((await check(zip, [])).report.trust, 'carried')
  const { report } = await check(zip, [testKey(2).vkey])
  assert.deepEqual(
    [report.verified, report.findings.map(({ code, path }) => `${code} ${path}`)],
    [false, ['KEY_UNTRUSTED policy']],
  )
})

test('of two keys that a log signs with, its reader may know one', async () => {
  const policy = `log ${logKey.vkey}\nlog ${testKey(2).vkey}\nquorum none\n`
  const scope = { kind: 'record', indexes: [0] } as const
  const { zip } = await bundleOf(story, { scope, request: { policy } })
  assert.deepEqual((await check(zip, [logKey.vkey])).report.findings, none)
  const { report } = await check(zip, [testKey(2).vkey])
  assert.deepEqual(
    report.findings.map(({ code }) => code),
    ['CHECKPOINT_SIGNATURE'],
  )
})

test('witnesses travel along, and a checkpoint that they did not cosign is not handed over', async () => {
  const seed = new Uint8Array(32).fill(9)
  const unnamed = {
    name: 'witness.example/w1',
    type: SignatureType.cosignatureV1,
    publicKey: ed25519PublicKey(seed),
  }
  const witness = { ...unnamed, id: keyId(unnamed, sha256) }
  const witnessed = `log ${logKey.vkey}\nwitness w1 ${formatVkey(witness)}\nquorum w1\n`
  const scope = { kind: 'record', indexes: [0] } as const
  await assert.rejects(bundleOf(story, { scope, request: { policy: witnessed } }), {
    code: 'EVIDENCE_BROKEN',
    message: /quorum/,
  })
  const { note } = story.log.head
  const signer = {
    name: witness.name,
    id: witness.id,
    sign: ed25519Sign(seed),
    timestamp: 1_800_000_000n,
  }
  const cosigned = `${note}${await cosign(parseNote(note).text, signer)}\n`
  const log = { ...story.log, head: { ...story.log.head, note: cosigned } }
  const { zip } = await bundleOf({ ...story, log }, { scope, request: { policy: witnessed } })
  const { report } = await check(zip, [logKey.vkey])
  assert.deepEqual(
    [
      report.findings,
      report.quorum,
      report.witnesses.map(({ name, given, seconds }) => [name, given, seconds]),
    ],
    [none, 'w1', [['witness.example/w1', false, 1_800_000_000]]],
  )
  const { report: known } = await check(zip, [logKey.vkey, formatVkey(witness)])
  assert.deepEqual(
    known.witnesses.map(({ given }) => given),
    [true],
  )
})

test('times choose the records between them', async () => {
  const atNs = (second: number): bigint => BigInt(START_MS + second * 1000) * 1_000_000n
  assert.deepEqual(await findByTime(story.log, { sinceNs: atNs(100), untilNs: atNs(300) }), {
    from: 100,
    to: 300,
  })
  assert.deepEqual(await findByTime(story.log, { untilNs: atNs(3) }), { from: 0, to: 3 })
  await assert.rejects(findByTime(story.log, { sinceNs: atNs(90_000) }), {
    code: 'EVIDENCE_EMPTY',
  })
})

test('a session that is not in the log is no session', async () => {
  await assert.rejects(findSession(story.log, '01900000-0000-7000-8000-000000000000'), {
    code: 'EVIDENCE_EMPTY',
  })
})
