import assert from 'node:assert/strict'
import { createSecretKey } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { decodeEnvelope } from '@countersign/record/envelope'
import type { Draft } from '@countersign/record/leaf'
import fc from 'fast-check'
import { destroyKey, destroyPeriods, listPeriods, openSealing, openUnsealing } from '../seal.ts'
import type { Unsealed, Unsealing } from '../seal.ts'
import { openKeyStore, openKeyStoreForReading } from './key-store.ts'
import { joinKeys } from './key-wrap.ts'
import { ALICE, BOB, draftOf, newTenantKey, stateFolder } from './testing/given.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const [MONDAY, TUESDAY] = ['2026-11-23', '2026-11-24'] as const

function keptUpTo(dropAfter: string | undefined, subject: string, text: string): Draft {
  const draft = draftOf(subject, bytes(text))
  return dropAfter === undefined ? draft : { ...draft, dropAfter }
}

function openOne(unsealing: Unsealing, { leaf, addenda }: Draft): Unsealed {
  const [first] = addenda
  assert.ok(first?.envelope !== undefined)
  return unsealing.open({ content: first.content, envelope: first.envelope, leaf, ordinal: 0 })
}

test('what is kept up to a day needs the key of the day and of the subject, and names both', async () => {
  await using folder = await stateFolder()
  const options = { ...folder, tenantKey: newTenantKey() }
  const sealing = await openSealing(options)
  const unsealing = openUnsealing(options)
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.constantFrom(ALICE, BOB),
      fc.constantFrom(undefined, MONDAY, TUESDAY),
      (content, subject, period) => {
        const sealed = sealing.seal({
          ...draftOf(subject, content),
          ...(period === undefined ? {} : { dropAfter: period }),
        })
        const named = decodeEnvelope(sealed.addenda[0]?.envelope ?? bytes(''))
        assert.deepEqual([named.subject, named.period], [subject, period])
        assert.deepEqual(openOne(unsealing, sealed), { state: 'open', content })
      },
    ),
    { numRuns: 40 },
  )
  assert.deepEqual(listPeriods(folder.stateDir), [MONDAY, TUESDAY])
  unsealing.close()
  sealing.close()
})

test('with the key of a day goes all that was kept up to it, of every subject, and nothing else', async () => {
  await using folder = await stateFolder()
  const options = { ...folder, tenantKey: newTenantKey() }
  const sealing = await openSealing(options)
  const unsealing = openUnsealing(options)
  const monday = [ALICE, BOB].map((who) => sealing.seal(keptUpTo(MONDAY, who, 'monday')))
  const others = [TUESDAY, undefined].map((day) => sealing.seal(keptUpTo(day, ALICE, 'other')))
  for (const one of [...monday, ...others]) assert.equal(openOne(unsealing, one).state, 'open')
  await destroyPeriods({ ...folder, periods: [MONDAY], record: 17 })
  await destroyPeriods({ ...folder, periods: [MONDAY], record: 99 })
  await nextTurn()
  const expired = { state: 'expired', record: 17, period: MONDAY }
  for (const one of monday) assert.deepEqual(openOne(unsealing, one), expired)
  for (const one of others) assert.equal(openOne(unsealing, one).state, 'open')
  assert.deepEqual(listPeriods(folder.stateDir), [TUESDAY])
  // Never made again: what a request that took too long seals now opens for nobody, also if the store forgot why.
  const late = sealing.seal(keptUpTo(MONDAY, ALICE, 'late'))
  assert.deepEqual(openOne(unsealing, late), expired)
  const database = new DatabaseSync(join(folder.stateDir, 'keys.db'))
  database.exec('DELETE FROM periods WHERE wrapped IS NULL')
  database.close()
  assert.deepEqual(openOne(unsealing, late), {
    state: 'sealed',
    why: 'no key of its period is here',
  })
  unsealing.close()
  sealing.close()
})

test('who was erased is gone before their time, and stays so after it', async () => {
  await using folder = await stateFolder()
  const options = { ...folder, tenantKey: newTenantKey() }
  const sealing = await openSealing(options)
  const unsealing = openUnsealing(options)
  const [alices, bobs] = [ALICE, BOB].map((who) => sealing.seal(keptUpTo(MONDAY, who, 'x')))
  assert.ok(alices !== undefined && bobs !== undefined)
  await destroyKey({ ...folder, subject: ALICE, record: 3 })
  await nextTurn()
  assert.deepEqual(openOne(unsealing, alices), { state: 'erased', record: 3 })
  assert.equal(openOne(unsealing, bobs).state, 'open')
  await destroyPeriods({ ...folder, periods: [MONDAY], record: 5 })
  assert.deepEqual(openOne(unsealing, alices), { state: 'erased', record: 3 })
  assert.deepEqual(openOne(unsealing, bobs), { state: 'expired', record: 5, period: MONDAY })
  unsealing.close()
  sealing.close()
})

test('a destroyed key of a period is in no file of the store any more', async () => {
  await using folder = await stateFolder()
  const store = await openKeyStore({ ...folder, tenantKey: newTenantKey() })
  for (let n = 10; n < 29; n++) store.findOrCreatePeriod(`2026-11-${n}`)
  const database = new DatabaseSync(join(folder.stateDir, 'keys.db'), { readOnly: true })
  const row = database.prepare('SELECT wrapped FROM periods WHERE period = ?').get(MONDAY)
  database.close()
  const wrapped = row?.['wrapped']
  assert.ok(wrapped instanceof Uint8Array)
  const holds = (): string[] =>
    readdirSync(folder.stateDir).filter((name) =>
      readFileSync(join(folder.stateDir, name)).includes(Buffer.from(wrapped)),
    )
  assert.ok(holds().length > 0)
  await destroyPeriods({ ...folder, periods: [MONDAY, TUESDAY], record: 1 })
  assert.deepEqual(holds(), [])
  store.close()
  assert.deepEqual(holds(), [])
})

test('a destruction that landed and could not be overwritten says so, and is completed by running it again', async () => {
  await using folder = await stateFolder()
  const store = await openKeyStore({ ...folder, tenantKey: newTenantKey() })
  store.findOrCreatePeriod(MONDAY)
  // Somebody reads, and does not end.
  const reader = new DatabaseSync(join(folder.stateDir, 'keys.db'), { readOnly: true })
  reader.exec('BEGIN')
  const row = reader.prepare('SELECT wrapped FROM periods').get()
  const wrapped = row?.['wrapped']
  assert.ok(wrapped instanceof Uint8Array)
  await assert.rejects(destroyPeriods({ ...folder, periods: [MONDAY], record: 4 }), {
    code: 'SEAL_KEYS_UNAVAILABLE',
  })
  assert.deepEqual(store.findPeriod(MONDAY), { state: 'destroyed', record: 4 })
  assert.deepEqual(listPeriods(folder.stateDir), [])
  reader.close()
  // It is not listed any more: a run without periods cuts what is left.
  await destroyPeriods({ ...folder, periods: [], record: 5 })
  for (const name of readdirSync(folder.stateDir))
    assert.ok(!readFileSync(join(folder.stateDir, name)).includes(Buffer.from(wrapped)))
  store.close()
})

test('two processes make one key for a day, and what one destroys the other makes no more', async () => {
  await using folder = await stateFolder()
  const tenantKey = newTenantKey()
  const stores = await Promise.all([1, 2].map(() => openKeyStore({ ...folder, tenantKey })))
  const keys = stores.map((store) => {
    const found = store.findOrCreatePeriod(MONDAY)
    return found.state === 'here' ? found.key.export().toString('hex') : found.state
  })
  assert.equal(new Set(keys).size, 1)
  for (const store of stores) store.changed()
  await destroyPeriods({ ...folder, periods: [MONDAY, TUESDAY], record: 8 })
  for (const store of stores) {
    assert.equal(store.changed(), true)
    // Tuesday never had one.
    for (const day of [MONDAY, TUESDAY])
      assert.deepEqual(store.findOrCreatePeriod(day), { state: 'destroyed', record: 8 })
    store.close()
  }
})

test('a store from before there were periods is read, and opens what was sealed into it', async () => {
  await using folder = await stateFolder()
  const options = { ...folder, tenantKey: newTenantKey() }
  const sealing = await openSealing(options)
  const old = sealing.seal(keptUpTo(undefined, ALICE, 'old'))
  sealing.close()
  const database = new DatabaseSync(join(folder.stateDir, 'keys.db'))
  database.exec('DROP TABLE periods')
  database.close()
  assert.deepEqual(listPeriods(folder.stateDir), [])
  const store = openKeyStoreForReading(options)
  assert.deepEqual(store?.findPeriod(MONDAY), { state: 'unknown' })
  const unsealing = openUnsealing(options)
  assert.equal(openOne(unsealing, old).state, 'open')
  // Readers that are open see what is made later.
  const again = await openSealing(options)
  const fresh = again.seal(keptUpTo(MONDAY, ALICE, 'new'))
  assert.deepEqual(openOne(unsealing, fresh), { state: 'open', content: bytes('new') })
  assert.equal(store?.findPeriod(MONDAY).state, 'here')
  store?.close()
  unsealing.close()
  again.close()
})

test('a folder without a store has no periods, and none is made', async () => {
  await using folder = await stateFolder()
  assert.deepEqual(listPeriods(folder.stateDir), [])
})

test('two keys are joined as the specification says', () => {
  const key = (byte: number): ReturnType<typeof createSecretKey> =>
    createSecretKey(Buffer.alloc(32, byte))
  assert.equal(
    joinKeys(key(1), key(2)).export().toString('hex'),
    'aec0e8adbcb75c5394135e62f5d65d64e829baad7b0790214bc52f74f1af4a44',
  )
  assert.notDeepEqual(joinKeys(key(1), key(2)).export(), joinKeys(key(2), key(1)).export())
})
