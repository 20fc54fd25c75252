import assert from 'node:assert/strict'
import test from 'node:test'

import { encodeDraft } from '@countersign/record/encode'
import { openIds } from '@countersign/record/id'
import type { Draft } from '@countersign/record/leaf'
import { formatLeafList } from '@countersign/record/leaf-list'
import { addendumPath } from '@countersign/tlog/addenda'
import { encodeHex } from '@countersign/tlog/base64'
import { parseVkey } from '@countersign/tlog/key'
import * as fc from 'fast-check'

import { servedAddenda } from './addenda.ts'
import type { AddendaSource } from './addenda.ts'
import { nodeCrypto } from './node-io.ts'
import { logKey, SampleLog } from './sample-log.testing.ts'
import { summary } from './summary.ts'
import { verifyLog } from './verify.ts'
import type { Report } from './verify.ts'

const keys = [parseVkey(logKey.vkey, nodeCrypto.sha256)]

/** What a record of a small log is: one with so many addenda, an erasure of these leaves, or a retention of these periods. */
type Kind =
  | number
  | { readonly erases: readonly number[] }
  | { readonly expires: readonly string[] }

interface Small {
  readonly files: Map<string, Uint8Array>
  /** Paths of the addenda of each record. */
  readonly paths: readonly (readonly string[])[]
}

async function logOf(kinds: readonly Kind[]): Promise<Small> {
  const files = new Map<string, Uint8Array>()
  const paths: string[][] = []
  const ids = openIds({ nowMs: () => 1_753_871_234_567 + paths.length })
  const session = ids()
  let prev: string | undefined
  const nextEntry = (): Uint8Array => {
    const seq = paths.length
    const draft = draftOf(kinds[seq] ?? 0, ids())
    const stamp = prev === undefined ? { session, seq } : { session, seq, prev }
    const { entry } = encodeDraft(draft, stamp, nodeCrypto.sha256)
    prev = draft.leaf.id
    paths.push(
      draft.addenda.map(({ content }) => {
        const path = addendumPath(encodeHex(nodeCrypto.sha256(content)))
        files.set(path, content)
        return path
      }),
    )
    return Uint8Array.from(entry)
  }
  const log = new SampleLog((path, bytes) => files.set(path, bytes), nextEntry)
  log.append(kinds.length)
  await log.publish()
  return { files, paths }
}

function draftOf(kind: Kind, id: string): Draft {
  const leaf = { v: 1, id, phase: 'single', time: { occurred: '1753871234567890123' } } as const
  if (typeof kind === 'number') {
    const addenda = Array.from({ length: kind }, (_, at) => ({
      name: 'request',
      content: Buffer.from(`${id} ${at}`),
    }))
    return { leaf: { ...leaf, class: 'http.server', action: 'orders.read' }, addenda }
  }
  if ('expires' in kind) {
    const rest = { kept: [], addenda: 0, rules: 'f'.repeat(64) }
    const lifecycle = { kind: 'retention', by: 'them', today: '2025-07-30', ...rest } as const
    return {
      leaf: {
        ...leaf,
        class: 'lifecycle',
        action: 'lifecycle.retention',
        lifecycle: { ...lifecycle, periods: kind.expires },
      },
      addenda: [],
    }
  }
  const leaves = formatLeafList(kind.erases)
  const facts = {
    subject: 'a'.repeat(32),
    basis: 'article 17',
    by: 'them',
    leaves,
    part: 1,
    parts: 1,
  }
  const lifecycle = { kind: 'erasure', ...facts } as const
  return {
    leaf: { ...leaf, class: 'lifecycle', action: 'lifecycle.erasure', lifecycle },
    addenda: [],
  }
}

async function verify(files: ReadonlyMap<string, Uint8Array>): Promise<Report> {
  const source = { read: (path: string) => files.get(path) }
  return verifyLog({ source, crypto: nodeCrypto, keys, addenda: servedAddenda(source) })
}

const codes = ({ findings }: Report): string[] =>
  findings.map(({ code, entry }) => `${code} ${entry ?? ''}`)

test('addenda that are there are counted, and a log without any is as good', async () => {
  const { files } = await logOf([1, 0, 2])
  const report = await verify(files)
  assert.equal(report.verified, true)
  assert.deepEqual(report.addenda, {
    named: 3,
    present: 3,
    sealed: 3,
    left: 0,
    erased: [],
    expired: [],
  })
  assert.deepEqual((await verify((await logOf([0, 0])).files)).addenda?.named, 0)
})

test('what is missing is a finding, unless an erasure after it says so', async () => {
  const { files, paths } = await logOf([1, 2, 1, { erases: [1] }, 1, { erases: [0, 4, 7] }, 1, 1])
  for (const index of [0, 1, 4, 7]) for (const path of paths[index] ?? []) files.delete(path)
  const report = await verify(files)
  // The second erasure names record 7, which is after it: a record cannot excuse what goes missing later.
  assert.deepEqual(codes(report), ['ADDENDUM_MISSING 7'])
  assert.equal(report.verified, false)
  assert.deepEqual(report.addenda?.erased, [
    { record: 3, addenda: 2 },
    { record: 5, addenda: 2 },
  ])
  assert.match(summary(report, 0), /erased {6}4 addenda lawfully \(records 3, 5\)/)
})

test('what was altered is a finding also where an erasure covers it, and what is left of one is counted', async () => {
  const { files, paths } = await logOf([1, 1, 1, { erases: [0, 1] }])
  files.set(paths[0]?.[0] ?? '', Buffer.from('another'))
  files.set(paths[2]?.[0] ?? '', Buffer.from('another'))
  const report = await verify(files)
  assert.deepEqual(codes(report), ['ADDENDUM_ALTERED 0', 'ADDENDUM_ALTERED 2'])
  assert.equal(report.addenda?.left, 1)
  assert.match(summary(report, 0), /not gone {4}1 addendum of an erased person/)
})

test('an erasure whose list is no list makes its record malformed, and excuses nothing', async () => {
  const { files, paths } = await logOf([1, { erases: [0] }])
  for (const path of paths[0] ?? []) files.delete(path)
  assert.equal((await verify(files)).verified, true)
  const [bundle = ''] = [...files.keys()].filter((path) => path.startsWith('tile/entries'))
  const text = Buffer.from(files.get(bundle) ?? new Uint8Array(0)).toString('latin1')
  files.set(bundle, Buffer.from(text.replace('"leaves":"0"', '"leaves":"x"'), 'latin1'))
  const report = await verify(files)
  assert.ok(codes(report).includes('ADDENDUM_MISSING 0'), codes(report).join())
  assert.ok(codes(report).some((code) => code.startsWith('RECORD_MALFORMED')))
})

test('every addendum is there, erased or a finding, whatever goes missing', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(2), { minLength: 1, maxLength: 12 }),
      fc.uniqueArray(fc.nat(11)),
      fc.uniqueArray(fc.nat(11)),
      async (counts, erased, lost) => {
        const erases = erased.filter((index) => index < counts.length).toSorted((a, b) => a - b)
        const { files, paths } = await logOf([...counts, { erases }])
        for (const index of lost) for (const path of paths[index] ?? []) files.delete(path)
        const report = await verify(files)
        const isLost = (index: number): boolean => lost.includes(index)
        const missing = counts.flatMap((count, index) =>
          isLost(index) && !erases.includes(index) ? Array<number>(count).fill(index) : [],
        )
        assert.deepEqual(
          codes(report),
          missing.map((index) => `ADDENDUM_MISSING ${index}`),
        )
        const { named = 0, present = 0, erased: gone = [] } = report.addenda ?? {}
        const removed = gone.reduce((sum, { addenda }) => sum + addenda, 0)
        assert.equal(named, present + removed + missing.length)
      },
    ),
    { numRuns: 40 },
  )
})

test('what opens no more is counted by the retention that says so, and named when none does', async () => {
  const { files } = await logOf([2, 1, { expires: ['2025-07-29'] }, 1])
  const source = { read: (path: string) => files.get(path) }
  const verifyWith = async (periods: readonly string[]): Promise<Report> => {
    const served = servedAddenda(source)
    const addenda: AddendaSource = {
      pathOf: served.pathOf,
      async *present(bundle, named) {
        for await (const found of served.present(bundle, named))
          yield { ...found, state: 'expired', period: periods[found.entry] ?? '2025-07-29' }
      },
    }
    return verifyLog({ source, crypto: nodeCrypto, keys, addenda })
  }
  const good = await verifyWith([])
  assert.equal(good.verified, true)
  assert.deepEqual(good.addenda?.expired, [{ record: 2, addenda: 4 }])
  assert.deepEqual([good.addenda?.present, good.addenda?.sealed], [4, 0])
  assert.match(summary(good, 0), / {2}expired {5}4 addenda by retention \(record 2\)\n/)
  // The day of the record itself was still to be kept, and nobody says anything of the last.
  for (const period of ['2025-07-30', '2026-01-01']) {
    const bad = await verifyWith(['2025-07-29', period])
    assert.deepEqual(codes(bad), ['ADDENDUM_MISSING 1'])
    assert.match(bad.findings[0]?.message ?? '', /was destroyed, and no retention record says so/)
  }
})
