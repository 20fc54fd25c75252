import assert from 'node:assert/strict'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { openIds } from '@countersign/record/id'
import type { Draft, Lifecycle } from '@countersign/record/leaf'
import { dayOf, dropAfter, dropOf, isDropped, retentionDays } from '@countersign/record/retention'
import type { RetentionRules } from '@countersign/record/retention'
import { parseVkey } from '@countersign/tlog/key'
import { nodeCrypto } from '@countersign/verifier/node-io'
import { verifyLog } from '@countersign/verifier/verify'
import type { Report } from '@countersign/verifier/verify'
import { openLocalAddenda, openRecord } from '../contents.ts'
import { sha256 } from '../cryptography.ts'
import { openLogSource, readHead, readProven } from '../follow.ts'
import type { PublishedLog } from '../follow.ts'
import { checkLedger, connectLedger, runLedger } from '../ledger.ts'
import type { Ledger } from '../ledger.ts'
import { makeLog } from '../ledger/testing/setup.ts'
import { systemClock } from '../platform.ts'
import { destroyPeriods, listPeriods, openSealing, openUnsealing } from '../seal.ts'
import type { TenantKey } from '../seal.ts'
import { newTenantKey } from '../seal/testing/given.ts'
import { runSigner } from '../witness.ts'
import { packedAddenda } from './private-files.ts'
import { KEPT_MAX, planRetention, retaining } from './retention.ts'
import type { RetentionPlan, RetentionStep } from './retention.ts'
import { scanRetention } from './retention-scan.ts'
import type { HoldOn, RetentionScan } from './retention-scan.ts'

const ALICE = 'a'.repeat(32)
const BOB = 'b'.repeat(32)
const rules: RetentionRules = { default: 90, labels: { brief: 1 }, services: {} }
const nextId = openIds({ nowMs: () => Number(systemClock.nowNs() / 1_000_000n) })
const at = (time: string): bigint => BigInt(Date.parse(time)) * 1_000_000n

/** A log whose records are of the days that a test says. */
interface World extends AsyncDisposable {
  readonly dataDir: string
  readonly stateDir: string
  readonly ledger: Ledger
  readonly log: PublishedLog
  readonly tenantKey: TenantKey
  /** What time it is. */
  nowNs: bigint
  /** Seals and appends one addendum of somebody, labelled as the rules know it. */
  append(subject: string, text: string, label?: string): Promise<number>
  fact(lifecycle: Lifecycle): Promise<number>
  scan(): Promise<RetentionScan>
  plan(): Promise<RetentionPlan>
  /** Lets go until it has taken so many steps. */
  retain(stepsMax?: number): Promise<RetentionStep[]>
  /** What is shown of each record's addendum. */
  shown(): Promise<Record<number, string>>
  verify(): Promise<Report>
}

function draftOf(parts: {
  readonly nowNs: bigint
  readonly subject?: string
  readonly text?: string
  readonly label?: string | undefined
  readonly lifecycle?: Lifecycle
}): Draft {
  const { nowNs, subject = '', text, label, lifecycle } = parts
  const leaf = { v: 1, id: nextId(), phase: 'single', time: { occurred: String(nowNs) } } as const
  if (lifecycle !== undefined)
    return {
      leaf: { ...leaf, class: 'lifecycle', action: `lifecycle.${lifecycle.kind}`, lifecycle },
      addenda: [],
    }
  const labels = label === undefined ? [] : [label]
  const day = dropAfter(nowNs, retentionDays(rules, { labels }))
  return {
    leaf: {
      ...leaf,
      class: 'http.server',
      action: 'orders.read',
      labels,
      actor: { id: subject, type: 'user', credential: { kind: 'none', defects: [] } },
    },
    addenda: [{ name: 'request', content: Buffer.from(`{"text":"${text ?? ''}"}`) }],
    subject,
    ...(day === undefined ? {} : { dropAfter: day }),
  }
}

async function openWorld(): Promise<World> {
  const made = await makeLog()
  const { dataDir, vkey } = made
  const stateDir = join(dataDir, 'state')
  made.own(await runSigner(made.signer))
  const running = made.own(await runLedger(made.ledger))
  const { socketPath } = running
  const ledger = made.own(await connectLedger({ socketPath, clock: systemClock }))
  const tenantKey = newTenantKey()
  const sealing = await openSealing({ stateDir, tenantKey })
  const log = { source: await openLogSource(join(dataDir, 'log')), keys: [parseVkey(vkey, sha256)] }
  const put = async (draft: Draft): Promise<number> =>
    (await ledger.append(sealing.seal(draft))).leafIndex
  const world: World = {
    dataDir,
    stateDir,
    ledger,
    log,
    tenantKey,
    nowNs: at('2026-11-20T12:00:00Z'),
    append: (subject, text, label) => put(draftOf({ nowNs: world.nowNs, subject, text, label })),
    fact: (lifecycle) => put(draftOf({ nowNs: world.nowNs, lifecycle })),
    async scan() {
      await ledger.publish()
      return await scanRetention({ log, dataDir, rules })
    },
    async plan() {
      const periods = listPeriods(stateDir)
      return planRetention(await world.scan(), { periods, today: dayOf(world.nowNs) })
    },
    async retain(stepsMax = Number.POSITIVE_INFINITY) {
      const steps: RetentionStep[] = []
      if (stepsMax === 0) return steps
      for await (const step of retaining({
        stateDir,
        plan: await world.plan(),
        by: 'timer',
        rules: 'f'.repeat(64),
        append: (fact) => world.fact(fact),
        publish: () => ledger.publish(),
        periodsMax: 2,
      })) {
        steps.push(step)
        if (steps.length >= stepsMax) break
      }
      return steps
    },
    async shown() {
      const unsealing = openUnsealing({ stateDir, tenantKey })
      const texts: Record<number, string> = {}
      await ledger.publish()
      const store = openLocalAddenda(dataDir, log, unsealing)
      for (const [index, entry] of (await ledger.entries(0, 1024)).entries()) {
        const { addenda } = await openRecord(entry, { index, store })
        for (const { state, content, erasure, retention } of addenda)
          texts[index] =
            content === undefined
              ? `${state} ${erasure ?? retention ?? ''}`.trim()
              : Buffer.from(content).toString().slice(9, -2)
      }
      store.close()
      return texts
    },
    async verify() {
      await ledger.publish()
      const unsealing = openUnsealing({ stateDir, tenantKey })
      const addenda = packedAddenda(dataDir, unsealing)
      const report = await verifyLog({ ...log, crypto: nodeCrypto, addenda })
      unsealing.close()
      return report
    },
    async [Symbol.asyncDispose]() {
      sealing.close()
      log.source.close()
      await ledger.close()
      await running.close()
      await checkLedger(dataDir, { vkey })
      await made[Symbol.asyncDispose]()
    },
  }
  return world
}

const stepsOf = (steps: readonly RetentionStep[]): string[] => steps.map(({ step }) => step)
const hold = (subject: string, matter = 'case 7'): Lifecycle => ({
  kind: 'hold',
  subject,
  matter,
  basis: 'b',
  by: 'legal',
})

test('what was kept for as long as it had to be goes, says which record, and all else stays', async () => {
  await using world = await openWorld()
  const brief = await world.append(ALICE, 'for a day', 'brief')
  const bobs = await world.append(BOB, 'for a day, too', 'brief')
  const long = await world.append(ALICE, 'for 90 days')
  world.nowNs = at('2026-11-21T23:59:59Z')
  // The last day on which it is kept.
  assert.deepEqual((await world.plan()).due, [])
  world.nowNs = at('2026-11-22T00:00:00Z')
  const { due, kept, later } = await world.plan()
  assert.deepEqual(due, [{ day: '2026-11-21', addenda: 2 }])
  assert.deepEqual([kept, later.map(({ addenda }) => addenda)], [[], [1]])
  const steps = await world.retain()
  assert.deepEqual(stepsOf(steps), ['recorded', 'keys_destroyed'])
  const record = long + 1
  assert.deepEqual(steps[0], { step: 'recorded', record, periods: ['2026-11-21'] })
  assert.deepEqual(await world.shown(), {
    [brief]: `expired ${record}`,
    [bobs]: `expired ${record}`,
    [long]: 'for 90 days',
  })
  const report = await world.verify()
  assert.equal(report.verified, true, JSON.stringify(report.findings))
  assert.deepEqual(report.addenda, {
    named: 3,
    present: 3,
    sealed: 0,
    left: 0,
    erased: [],
    expired: [{ record, addenda: 2 }],
  })
  // Every run is a record, also one that finds nothing: by it the index drops its rows.
  assert.deepEqual((await world.retain())[0], {
    step: 'recorded',
    record: record + 1,
    periods: [],
  })
})

test('a crash after any step leaves a log that verifies, and running it again completes it', async () => {
  for (let crashAfter = 0; ; crashAfter++) {
    await using world = await openWorld()
    for (let day = 1; day <= 5; day++) {
      world.nowNs = at(`2026-11-0${day}T12:00:00Z`)
      await world.append(ALICE, `day ${day}`, 'brief')
    }
    await world.append(BOB, 'stays')
    world.nowNs = at('2026-11-26T03:00:00Z')
    const before = await world.retain(crashAfter)
    const half = await world.verify()
    assert.equal(half.verified, true, JSON.stringify(half.findings))
    const after = await world.retain()
    const whole = await world.verify()
    assert.equal(whole.verified, true)
    assert.equal(whole.addenda?.present, 6)
    const counted = whole.addenda?.expired.reduce((sum, { addenda }) => sum + addenda, 0)
    assert.equal(counted, 5)
    // No day is named twice: what is on record counts, and its key says the record that names it.
    const named = [...before, ...after].flatMap((one) =>
      one.step === 'recorded' ? one.periods.map((day) => [day, one.record] as const) : [],
    )
    assert.equal(new Map(named).size, 5)
    assert.equal(named.length, 5)
    const texts = Object.values(await world.shown())
    assert.deepEqual(texts, [...named.map(([, record]) => `expired ${record}`), 'stays'])
    if (before.length < crashAfter) break
  }
})

test('while a hold stands, each day with records of its subject stays, whole, and goes when it is released', async () => {
  await using world = await openWorld()
  await world.append(ALICE, 'alice, day 1', 'brief')
  await world.append(BOB, 'bob, day 1', 'brief')
  world.nowNs = at('2026-11-21T12:00:00Z')
  await world.append(BOB, 'bob, day 2', 'brief')
  const held = await world.fact(hold(ALICE))
  await world.fact(hold(ALICE, 'case 8'))
  world.nowNs = at('2026-11-26T03:00:00Z')
  const { due, kept } = await world.plan()
  assert.deepEqual(due, [{ day: '2026-11-22', addenda: 1 }])
  assert.deepEqual(
    kept.map(({ day, addenda, holds }) => [day, addenda, holds.map(({ matter }) => matter)]),
    [['2026-11-21', 2, ['case 7', 'case 8']]],
  )
  assert.equal(kept[0]?.holds[0]?.record, held)
  await world.retain()
  const texts = Object.values(await world.shown())
  assert.deepEqual(texts.slice(0, 2), ['alice, day 1', 'bob, day 1'])
  assert.match(texts[2] ?? '', /^expired/)
  for (const matter of ['case 7', 'case 8'])
    await world.fact({ kind: 'release', subject: ALICE, matter, basis: 'b', by: 'legal' })
  await world.retain()
  assert.ok(Object.values(await world.shown()).every((text) => text.startsWith('expired')))
  assert.equal((await world.verify()).verified, true)
})

test('a hold between a run that was cut short and the next keeps what is on record already', async () => {
  await using world = await openWorld()
  const index = await world.append(ALICE, 'needed after all', 'brief')
  world.nowNs = at('2026-11-26T03:00:00Z')
  const [recorded] = await world.retain(1)
  await world.fact(hold(ALICE))
  assert.deepEqual((await world.plan()).due, [])
  await world.retain()
  assert.ok(Object.values(await world.shown()).includes('needed after all'))
  await world.fact({ kind: 'release', subject: ALICE, matter: 'case 7', basis: 'b', by: 'c' })
  await world.retain()
  assert.equal((await world.shown())[index], `expired ${recorded?.record}`)
})

test('a day of a held person’s rows is kept, also when their addenda were sealed for longer', async () => {
  await using world = await openWorld()
  // By the rules in force now its row goes after a day; its content has the day that it was sealed with.
  const draft = draftOf({ nowNs: world.nowNs, subject: ALICE, label: 'brief' })
  await world.ledger.append({ ...draft, addenda: [] })
  await world.append(BOB, 'of that day', 'brief')
  await world.fact(hold(ALICE))
  world.nowNs = at('2026-11-26T03:00:00Z')
  const [recorded] = await world.retain()
  assert.deepEqual(recorded?.periods, [])
  await world.ledger.publish()
  const head = await readHead(world.log)
  const { entry } = await readProven(world.log, head, recorded?.record ?? 0)
  const { leaf } = await openRecord(entry, {
    index: 0,
    store: openLocalAddenda(world.dataDir, world.log, undefined),
  })
  const drop = dropOf(leaf)
  assert.ok(drop !== undefined)
  const days = ['2026-11-20', '2026-11-21', '2026-11-25', '2026-11-26']
  assert.deepEqual(
    days.map((day) => isDropped(drop, day)),
    [true, false, true, false],
  )
})

test('those of a day whom nobody knew are held by their word and their day', async () => {
  await using world = await openWorld()
  const somebody = draftOf({ nowNs: world.nowNs, subject: 'anonymous', label: 'brief' })
  await world.ledger.append({ ...somebody, addenda: [] })
  await world.fact(hold('anonymous/2026-11-20'))
  assert.deepEqual([...(await world.scan()).held.keys()], ['2026-11-21'])
})

test('a key that went without a record is a finding, and what no rule is about is for ever', async () => {
  await using world = await openWorld()
  const index = await world.append(ALICE, 'x', 'brief')
  await destroyPeriods({ stateDir: world.stateDir, periods: ['2026-11-21'], record: 0 })
  const report = await world.verify()
  assert.deepEqual(
    report.findings.map(({ code, entry }) => `${code} ${entry}`),
    [`ADDENDUM_MISSING ${index}`],
  )
  const { addenda: _, ...clear } = draftOf({ nowNs: world.nowNs, subject: BOB })
  await world.ledger.append({
    ...clear,
    addenda: [{ name: 'request', content: Buffer.from('{}') }],
  })
  assert.equal((await world.scan()).forEver, 1)
})

test('a log that is not as it was signed lets nothing go', async () => {
  await using world = await openWorld()
  await world.append(ALICE, 'x', 'brief')
  await world.ledger.publish()
  world.nowNs = at('2026-11-26T03:00:00Z')
  const { size } = await readHead(world.log)
  const path = `tile/entries/000.p/${size}`
  const whole = await readFile(join(world.dataDir, 'log', path))
  const put = async (bytes: Uint8Array): Promise<void> => {
    await rm(join(world.dataDir, 'log', path))
    await writeFile(join(world.dataDir, 'log', path), bytes)
  }
  await put(whole.map((byte, n) => (n === 40 ? byte ^ 1 : byte)))
  await assert.rejects(world.plan(), { code: 'FOLLOW_BROKEN' })
  await put(whole)
  assert.equal((await world.plan()).due.length, 1)
})

test('more days on hold than a record can name let nothing go', async () => {
  await using world = await openWorld()
  const scan = await world.scan()
  const on: HoldOn = { record: 0, subject: ALICE, matter: 'm', by: 'b' }
  const held = (days: number): RetentionScan => ({
    ...scan,
    held: new Map(
      Array.from({ length: days }, (_, n) => [
        dayOf(BigInt(15_000 + n) * 86_400_000_000_000n),
        [on],
      ]),
    ),
  })
  const asked = { periods: ['2026-11-24'], today: '2026-11-26' }
  assert.equal(planRetention(held(KEPT_MAX), asked).due.length, 1)
  assert.throws(() => planRetention(held(KEPT_MAX + 1), asked), { code: 'CANNOT_RUN' })
  // What a record names at most fits it, with the longest of reasons.
  const days = Array.from({ length: KEPT_MAX }, () => '2026-11-24')
  const words = '\u{1}'.repeat(1_000)
  const full = { today: '2026-11-26', periods: days, kept: days, addenda: 1, rules: 'f'.repeat(64) }
  await world.fact({ kind: 'retention', by: words, basis: words, ...full })
})
