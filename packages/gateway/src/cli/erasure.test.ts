import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { openIds } from '@countersign/record/id'
import type { Draft, Lifecycle } from '@countersign/record/leaf'
import { parseVkey } from '@countersign/tlog/key'
import { verifyLog } from '@countersign/verifier/verify'
import type { Report } from '@countersign/verifier/verify'
import { nodeCrypto } from '@countersign/verifier/node-io'
import { checkLedger, connectLedger, readAddenda, runLedger } from '../ledger.ts'
import { runSigner } from '../witness.ts'
import type { Ledger } from '../ledger.ts'
import { makeLog } from '../ledger/testing/setup.ts'
import { sha256 } from '../cryptography.ts'
import { systemClock } from '../platform.ts'
import { openSealing, openUnsealing } from '../seal.ts'
import type { Sealing, TenantKey } from '../seal.ts'
import { newTenantKey } from '../seal/testing/given.ts'
import { openSubjects } from '../identity/subjects.ts'
import { erasing } from './erasure.ts'
import type { ErasureStep } from './erasure.ts'
import { openLocalAddenda, openRecord } from '../contents.ts'
import { openLogSource } from '../follow.ts'
import { packedAddenda } from './private-files.ts'
import type { PublishedLog } from '../follow.ts'
import { scanSubject } from './subject-scan.ts'
import type { SubjectScan } from './subject-scan.ts'

const BOB = 'b'.repeat(32)
const nextId = openIds({ nowMs: () => Number(systemClock.nowNs() / 1_000_000n) })

/** A log with records of Alice and Bob, sealed, and what is needed to erase one of them. */
interface World extends AsyncDisposable {
  readonly dataDir: string
  readonly stateDir: string
  readonly vkey: string
  readonly alice: string
  readonly ledger: Ledger
  readonly log: PublishedLog
  readonly sealing: Sealing
  readonly tenantKey: TenantKey
  append(draft: Draft): Promise<number>
  /** Erases until it has taken so many steps. */
  erase(stepsMax?: number): Promise<ErasureStep[]>
  scan(): Promise<SubjectScan>
  verify(): Promise<Report>
}

function draftOf(
  subject: string,
  text: string,
  phase: 'single' | 'intent' | 'outcome' = 'single',
): Draft {
  const actor = { id: subject, type: 'user', credential: { kind: 'none', defects: [] } } as const
  return {
    subject,
    leaf: {
      v: 1,
      id: nextId(),
      class: 'http.server',
      action: 'orders.read',
      phase,
      time: { occurred: String(systemClock.nowNs()) },
      ...(phase === 'outcome' ? {} : { actor }),
    },
    addenda: [
      { name: 'request', content: Buffer.from(`{"salt":"${'0'.repeat(32)}","text":"${text}"}`) },
    ],
  }
}

async function openWorld(options: { leavesCharactersMax?: number } = {}): Promise<World> {
  const made = await makeLog()
  const { dataDir, vkey } = made
  const stateDir = join(dataDir, 'state')
  made.own(await runSigner(made.signer))
  const running = made.own(await runLedger(made.ledger))
  const ledger = made.own(
    await connectLedger({ socketPath: running.socketPath, clock: systemClock }),
  )
  const tenantKey = newTenantKey()
  const sealing = await openSealing({ stateDir, tenantKey })
  const subjects = await openSubjects(stateDir)
  const alice = subjects.pseudonym('["user","","alice"]')
  subjects.close()
  const log = { source: await openLogSource(join(dataDir, 'log')), keys: [parseVkey(vkey, sha256)] }
  const append = async (draft: Draft): Promise<number> =>
    (await ledger.append(sealing.seal(draft))).leafIndex
  const scan = async (): Promise<SubjectScan> => {
    await ledger.publish()
    const scanned = scanSubject({ log, dataDir, subject: alice })
    await scanned.readOn()
    return scanned
  }
  return {
    dataDir,
    stateDir,
    vkey,
    alice,
    ledger,
    log,
    sealing,
    tenantKey,
    append,
    scan,
    async erase(stepsMax = Number.POSITIVE_INFINITY) {
      const appendFact = (fact: Lifecycle): Promise<number> => append(lifecycleDraft(fact))
      const parts = { ledger, stateDir, subject: alice, basis: 'article 17', by: 'the person' }
      const steps: ErasureStep[] = []
      if (stepsMax === 0) return steps
      for await (const step of erasing({
        ...parts,
        ...options,
        scan: await scan(),
        append: appendFact,
      })) {
        steps.push(step)
        if (steps.length >= stepsMax) break
      }
      return steps
    },
    async verify() {
      await ledger.publish()
      const unsealing = openUnsealing({ stateDir, tenantKey })
      const addenda = packedAddenda(dataDir, unsealing)
      const report = await verifyLog({
        source: log.source,
        crypto: nodeCrypto,
        keys: log.keys,
        addenda,
      })
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
}

function lifecycleDraft(lifecycle: Lifecycle): Draft {
  const { leaf } = draftOf(BOB, '')
  const { actor: _, ...rest } = leaf
  return {
    leaf: { ...rest, class: 'lifecycle', action: `lifecycle.${lifecycle.kind}`, lifecycle },
    addenda: [],
  }
}

/** Texts of the addenda that open, by record. */
async function opened(world: World, dataDir = world.dataDir): Promise<Record<number, string>> {
  const unsealing = openUnsealing({ stateDir: world.stateDir, tenantKey: world.tenantKey })
  const texts: Record<number, string> = {}
  await world.ledger.publish()
  const page = await world.ledger.entries(0, 1024)
  const store = openLocalAddenda(dataDir, world.log, unsealing)
  for (const [index, entry] of page.entries()) {
    const { addenda } = await openRecord(entry, { index, store })
    for (const { state, content, erasure } of addenda)
      texts[index] =
        content === undefined
          ? `${state} ${erasure ?? ''}`.trim()
          : Buffer.from(content).toString().slice(51, -2)
  }
  store.close()
  return texts
}

test('an erasure takes everything of one person and nothing of anybody else', async () => {
  await using world = await openWorld()
  const { alice } = world
  const first = await world.append(draftOf(alice, 'one'))
  const bobs = await world.append(draftOf(BOB, 'two'))
  const last = await world.append(draftOf(alice, 'three', 'outcome'))
  assert.deepEqual(Object.values(await opened(world)), ['one', 'two', 'three'])
  const steps = await world.erase()
  assert.deepEqual(
    steps.map(({ step }) => step),
    ['recorded', 'name_forgotten', 'key_destroyed', 'addenda_removed'],
  )
  const record = last + 1
  assert.deepEqual(steps.at(-1), { step: 'addenda_removed', record, addenda: 2 })
  assert.deepEqual(await opened(world), {
    [first]: `erased ${record}`,
    [bobs]: 'two',
    [last]: `erased ${record}`,
  })
  const report = await world.verify()
  assert.equal(report.verified, true)
  assert.deepEqual(report.addenda, {
    named: 3,
    present: 1,
    sealed: 0,
    left: 0,
    erased: [{ record, addenda: 2 }],
    expired: [],
  })
})

test('a crash after any step leaves a log that verifies, and running it again completes it', async () => {
  for (let crashAfter = 0; ; crashAfter++) {
    await using world = await openWorld({ leavesCharactersMax: 12 })
    const { alice } = world
    // More than one record of erasure.
    for (let at = 0; at < 8; at++) {
      await world.append(draftOf(alice, `alice ${at}`))
      await world.append(draftOf(BOB, `bob ${at}`))
    }
    const before = await world.erase(crashAfter)
    const half = await world.verify()
    assert.equal(half.verified, true, JSON.stringify(half.findings))
    if (before.some(({ step }) => step === 'key_destroyed'))
      assert.ok(Object.values(await opened(world)).every((text) => !text.startsWith('alice')))
    else assert.ok(Object.values(await opened(world)).includes('alice 7'))
    const after = await world.erase()
    const whole = await world.verify()
    assert.equal(whole.verified, true)
    assert.equal(whole.addenda?.left, 0)
    assert.equal(whole.addenda?.present, 8)
    assert.equal(
      whole.addenda?.erased.reduce((sum, { addenda }) => sum + addenda, 0),
      8,
    )
    const texts = Object.values(await opened(world))
    assert.equal(texts.filter((text) => text.startsWith('bob')).length, 8)
    assert.equal(texts.filter((text) => text.startsWith('erased')).length, 8)
    // Nothing is named twice: what is on record counts.
    const named = [...before, ...after].flatMap((step) =>
      step.step === 'recorded' ? step.leaves.split(',') : [],
    )
    assert.equal(named.length, 8)
    assert.equal(new Set(named).size, 8)
    if (before.length < crashAfter) break
  }
})

test('what is sealed while the list is made is named as well, and goes', async () => {
  await using world = await openWorld()
  const { alice } = world
  await world.append(draftOf(alice, 'before'))
  const scan = await world.scan()
  // A request that was under way: sealed and durable after the log was read, and before the key went.
  const late = await world.append(draftOf(alice, 'meanwhile'))
  const { ledger, stateDir } = world
  const parts = { ledger, stateDir, subject: alice, basis: 'b', by: 'c' }
  const append = (fact: Lifecycle): Promise<number> => world.append(lifecycleDraft(fact))
  const steps: ErasureStep[] = []
  for await (const step of erasing({ ...parts, scan, append })) steps.push(step)
  const report = await world.verify()
  assert.equal(report.verified, true)
  assert.deepEqual([report.addenda?.present, report.addenda?.left], [0, 0])
  assert.ok((await opened(world))[late]?.startsWith('erased'))
  // And what such a request seals after that, nobody can open.
  await nextTurn()
  const latest = await world.append(draftOf(alice, 'too late'))
  assert.ok((await opened(world))[latest]?.startsWith('erased'))
  const again = await world.erase()
  assert.ok(again.some((step) => step.step === 'recorded' && step.leaves === String(latest)))
})

test('a copy of the packs from before the erasure opens no more', async () => {
  await using world = await openWorld()
  const { alice, dataDir } = world
  const index = await world.append(draftOf(alice, 'once upon a time'))
  await world.ledger.publish()
  const copy = join(dataDir, '..', 'copy')
  await cp(join(dataDir, 'addenda'), join(copy, 'addenda'), { recursive: true })
  assert.equal((await opened(world, copy))[index], 'once upon a time')
  await world.erase()
  assert.notEqual((await readAddenda(copy, index))[0], undefined)
  assert.ok((await opened(world, copy))[index]?.startsWith('erased'))
})

test('what was recorded in clear before there was sealing goes with its person, outcomes too', async () => {
  await using world = await openWorld()
  const { alice, ledger } = world
  const intent = draftOf(alice, 'in clear', 'intent')
  const outcome = {
    ...draftOf(alice, 'its outcome', 'outcome'),
    leaf: { ...draftOf(alice, '', 'outcome').leaf, id: intent.leaf.id },
  }
  const bob = draftOf(BOB, 'of bob', 'intent')
  const bobs = {
    ...draftOf(BOB, 'of bob, too', 'outcome'),
    leaf: { ...draftOf(BOB, '', 'outcome').leaf, id: bob.leaf.id },
  }
  for (const draft of [intent, bob, bobs, outcome]) await ledger.append(draft)
  await world.erase()
  assert.deepEqual(
    Object.values(await opened(world)).map((text) => text.split(' ')[0]),
    ['erased', 'of', 'of', 'erased'],
  )
})

test('a hold stands until its own release, and only for its own subject', async () => {
  await using world = await openWorld()
  const { alice } = world
  const fact = (kind: 'hold' | 'release', matter: string, subject = alice): Draft =>
    lifecycleDraft({ kind, subject, matter, basis: 'b', by: 'c' })
  await world.append(draftOf(alice, 'one'))
  const standing = async (): Promise<string[]> =>
    (await world.scan()).holds.map(({ matter }) => matter)
  await world.append(fact('hold', 'A', BOB))
  assert.deepEqual(await standing(), [])
  await world.append(fact('hold', 'A'))
  await world.append(fact('hold', 'B'))
  await world.append(fact('release', 'A', BOB))
  await world.append(fact('release', 'C'))
  assert.deepEqual(await standing(), ['A', 'B'])
  await world.append(fact('release', 'A'))
  assert.deepEqual(await standing(), ['B'])
  await world.append(fact('hold', 'A'))
  assert.deepEqual(await standing(), ['B', 'A'])
})

test('no key and no content is in the published log or in clear beside it', async () => {
  await using world = await openWorld()
  const { alice, dataDir, stateDir } = world
  for (let at = 0; at < 20; at++) await world.append(draftOf(alice, `a secret sentence ${at}`))
  await world.ledger.publish()
  const files = readdirSync(dataDir, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .map((file) => join(file.parentPath, file.name))
  const holding = (needle: string | Buffer): string[] =>
    files.filter((file) => readFileSync(file).includes(needle))
  assert.deepEqual(holding('a secret sentence'), [])
  const unsealing = openUnsealing({ stateDir, tenantKey: world.tenantKey })
  for (let index = 0; index < 20; index++) {
    const [addendum] = await readAddenda(dataDir, index)
    if (addendum?.envelope === undefined) continue
    const found = unsealing.keyOf(addendum.envelope)
    assert.ok(found.state === 'here')
    assert.deepEqual(holding(Buffer.from(found.key)), [])
    const wrapped = Buffer.from(addendum.envelope.subarray(-40))
    assert.ok(holding(wrapped).every((file) => !file.startsWith(join(dataDir, 'log'))))
    assert.ok(holding(wrapped).length > 0)
  }
  unsealing.close()
})
