import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { decodeEnvelope } from '@countersign/record/envelope'
import type { Draft } from '@countersign/record/leaf'
import fc from 'fast-check'
import { destroyKey, openSealing, openUnsealing, readTenantKey, SealError } from '../seal.ts'
import type { Unsealed, Unsealing } from '../seal.ts'
import { openKeyStore, openKeyStoreForReading } from './key-store.ts'
import { ALICE, BOB, draftOf, newTenantKey, stateFolder } from './testing/given.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

function openAll(unsealing: Unsealing, { leaf, addenda }: Draft): Unsealed[] {
  return addenda.map(({ content, envelope = new Uint8Array(0) }, ordinal) =>
    unsealing.open({ content, envelope, leaf, ordinal }),
  )
}

test('whatever is sealed opens to itself with the keys, also in another process’s eyes', async () => {
  await using folder = await stateFolder()
  const options = { ...folder, tenantKey: newTenantKey() }
  const sealing = await openSealing(options)
  const unsealing = openUnsealing(options)
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 4 }),
      fc.constantFrom(ALICE, BOB, 'anonymous/2026-11-25'),
      (contents, subject) => {
        const sealed = sealing.seal(draftOf(subject, ...contents))
        assert.deepEqual(
          openAll(unsealing, sealed),
          contents.map((content) => ({ state: 'open', content })),
        )
        for (const { envelope } of sealed.addenda)
          assert.equal(decodeEnvelope(envelope ?? new Uint8Array(0)).subject, subject)
      },
    ),
    { numRuns: 50 },
  )
  unsealing.close()
  sealing.close()
})

test('the same content twice gives two keys and two ciphertexts', async () => {
  await using folder = await stateFolder()
  const sealing = await openSealing({ ...folder, tenantKey: newTenantKey() })
  const { addenda } = sealing.seal(draftOf(ALICE, bytes('same'), bytes('same')))
  const [one, two] = addenda
  assert.notDeepEqual(one?.content, two?.content)
  assert.notDeepEqual(one?.envelope, two?.envelope)
  sealing.close()
})

test('an addendum opens in its own place alone, and with its own envelope alone', async () => {
  await using folder = await stateFolder()
  const options = { ...folder, tenantKey: newTenantKey() }
  const sealing = await openSealing(options)
  const unsealing = openUnsealing(options)
  const { leaf, addenda } = sealing.seal(draftOf(ALICE, bytes('one'), bytes('two')))
  const [one, two] = addenda
  assert.ok(one?.envelope && two?.envelope)
  const { content, envelope } = one
  const last = (changed: Uint8Array): Uint8Array => {
    const copy = Uint8Array.from(changed)
    copy[copy.length - 1] = (copy.at(-1) ?? 0) ^ 1
    return copy
  }
  const refusals = [
    { content, envelope, leaf, ordinal: 1 },
    { content, envelope, leaf: { ...leaf, phase: 'outcome' as const }, ordinal: 0 },
    { content, envelope: two.envelope, leaf, ordinal: 0 },
    { content, envelope: last(envelope), leaf, ordinal: 0 },
    { content, envelope: new Uint8Array(3), leaf, ordinal: 0 },
    { content: last(content), envelope, leaf, ordinal: 0 },
  ].map((place) => unsealing.open(place).state)
  assert.deepEqual(refusals, Array(6).fill('sealed'))
  unsealing.close()
  sealing.close()
})

test('a draft without a subject is sealed for those whom nobody knows, and one without addenda is left alone', async () => {
  await using folder = await stateFolder()
  const sealing = await openSealing({ ...folder, tenantKey: newTenantKey() })
  const { addenda } = sealing.seal(draftOf(undefined, bytes('x')))
  const { subject } = decodeEnvelope(addenda[0]?.envelope ?? new Uint8Array(0))
  assert.equal(subject, 'unknown/2025-11-25')
  const bare = draftOf(ALICE)
  assert.equal(sealing.seal(bare), bare)
  sealing.close()
})

test('once its key is destroyed nothing of a subject opens, also what is sealed later, and others stay', async () => {
  await using folder = await stateFolder()
  const options = { ...folder, tenantKey: newTenantKey() }
  const sealing = await openSealing(options)
  const unsealing = openUnsealing(options)
  const before = sealing.seal(draftOf(ALICE, bytes('before')))
  const other = sealing.seal(draftOf(BOB, bytes('other')))
  assert.equal(openAll(unsealing, before)[0]?.state, 'open')
  await destroyKey({ ...folder, subject: ALICE, record: 17 })
  await destroyKey({ ...folder, subject: ALICE, record: 99 })
  await nextTurn()
  const after = sealing.seal(draftOf(ALICE, bytes('after')))
  const erased = [{ state: 'erased', record: 17 }]
  assert.deepEqual(openAll(unsealing, before), erased)
  assert.deepEqual(openAll(unsealing, after), erased)
  assert.deepEqual(openAll(unsealing, other), [{ state: 'open', content: bytes('other') }])
  // Nor would it open if the store forgot that it was destroyed: the key was never kept.
  const database = new DatabaseSync(join(folder.stateDir, 'keys.db'))
  database.exec('DELETE FROM subjects WHERE wrapped IS NULL')
  database.close()
  assert.equal(openAll(unsealing, after)[0]?.state, 'sealed')
  unsealing.close()
  sealing.close()
})

test('a subject that never had a key gets none once it is erased', async () => {
  await using folder = await stateFolder()
  const options = { ...folder, tenantKey: newTenantKey() }
  await destroyKey({ ...folder, subject: ALICE, record: 3 })
  const sealing = await openSealing(options)
  const unsealing = openUnsealing(options)
  const sealed = sealing.seal(draftOf(ALICE, bytes('x')))
  assert.deepEqual(openAll(unsealing, sealed), [{ state: 'erased', record: 3 }])
  unsealing.close()
  sealing.close()
})

test('a destroyed key is in no file of the store any more', async () => {
  await using folder = await stateFolder()
  const tenantKey = newTenantKey()
  const store = await openKeyStore({ ...folder, tenantKey })
  for (let n = 0; n < 50; n++) store.findOrCreate(n.toString(16).padStart(32, '0'))
  store.findOrCreate(ALICE)
  const database = new DatabaseSync(join(folder.stateDir, 'keys.db'), { readOnly: true })
  const row = database.prepare('SELECT wrapped FROM subjects WHERE subject = ?').get(ALICE)
  database.close()
  const wrapped = row?.['wrapped']
  assert.ok(wrapped instanceof Uint8Array)
  const holds = (): string[] =>
    readdirSync(folder.stateDir).filter((name) =>
      readFileSync(join(folder.stateDir, name)).includes(Buffer.from(wrapped)),
    )
  assert.ok(holds().length > 0)
  await destroyKey({ ...folder, subject: ALICE, record: 1 })
  assert.deepEqual(holds(), [])
  store.close()
  assert.deepEqual(holds(), [])
})

test('keys stay what they are when more subjects are seen than are kept in memory', async () => {
  await using folder = await stateFolder()
  const options = { ...folder, tenantKey: newTenantKey(), keysCachedMax: 4 }
  const sealing = await openSealing(options)
  const unsealing = openUnsealing(options)
  const drafts = Array.from({ length: 20 }, (_, n) =>
    sealing.seal(draftOf((n % 7).toString(16).repeat(32), bytes(`${n}`))),
  )
  for (const [n, draft] of drafts.entries())
    assert.deepEqual(openAll(unsealing, draft), [{ state: 'open', content: bytes(`${n}`) }])
  unsealing.close()
  sealing.close()
})

test('two processes that see a subject first make one key', async () => {
  await using folder = await stateFolder()
  const tenantKey = newTenantKey()
  const stores = await Promise.all([1, 2].map(() => openKeyStore({ ...folder, tenantKey })))
  const keys = Array.from({ length: 20 }, (_, n) =>
    stores.map((store) => {
      const found = store.findOrCreate(n.toString(16).padStart(32, '0'))
      return found.state === 'here' ? found.key.export().toString('hex') : found.state
    }),
  )
  for (const [one, two] of keys) assert.equal(one, two)
  assert.equal(new Set(keys.flat()).size, 20)
  for (const store of stores) store.close()
})

test('a key is durable before it is used: who dies right after keeps what was sealed', async () => {
  await using folder = await stateFolder()
  const keyFile = join(folder.stateDir, '..', 'tenant.key')
  writeFileSync(keyFile, `${randomBytes(32).toString('hex')}\n`)
  const main = fileURLToPath(new URL('testing/seal-and-die.ts', import.meta.url))
  const worker = new Worker(main, {
    workerData: { ...folder, keyFile },
    execArgv: ['-C', '@countersign/source'],
  })
  const [sealed] = (await once(worker, 'message')) as [Draft]
  await worker.terminate()
  const unsealing = openUnsealing({ ...folder, tenantKey: await readTenantKey(keyFile) })
  assert.deepEqual(openAll(unsealing, sealed), [{ state: 'open', content: bytes('last words') }])
  unsealing.close()
})

test('another tenant key is refused by those who seal, and opens nothing for those who read', async () => {
  await using folder = await stateFolder()
  const sealing = await openSealing({ ...folder, tenantKey: newTenantKey() })
  const sealed = sealing.seal(draftOf(ALICE, bytes('x')))
  sealing.close()
  const other = { ...folder, tenantKey: newTenantKey() }
  await assert.rejects(openSealing(other), { code: 'SEAL_TENANT_MISMATCH' })
  const unsealing = openUnsealing(other)
  assert.equal(openAll(unsealing, sealed)[0]?.state, 'sealed')
  unsealing.close()
})

test('a tenant key that is no key is refused, and its content is not repeated', async () => {
  await using folder = await stateFolder()
  const file = join(folder.stateDir, '..', 'tenant.key')
  for (const text of ['', 'secret words', 'A'.repeat(64), 'a'.repeat(63), `${'a'.repeat(64)}b`]) {
    writeFileSync(file, text)
    await assert.rejects(readTenantKey(file), (error) => {
      assert.ok(error instanceof SealError && error.code === 'SEAL_TENANT_KEY')
      assert.ok(text === '' || !error.message.includes(text))
      return true
    })
  }
  await assert.rejects(readTenantKey(join(folder.stateDir, 'none')), { code: 'SEAL_TENANT_KEY' })
})

test('a store that cannot be opened says which', async () => {
  await using folder = await stateFolder()
  writeFileSync(folder.stateDir, 'a file where a folder should be')
  await assert.rejects(openSealing({ ...folder, tenantKey: newTenantKey() }), (error) => {
    assert.ok(error instanceof SealError && error.code === 'SEAL_KEYS_UNAVAILABLE')
    assert.match(error.message, /keys\.db/)
    return true
  })
})

test('reading makes no store where there is none', async () => {
  await using folder = await stateFolder()
  const tenantKey = newTenantKey()
  assert.equal(openKeyStoreForReading({ ...folder, tenantKey }), undefined)
  assert.equal(existsSync(folder.stateDir), false)
  const unsealing = openUnsealing({ ...folder, tenantKey })
  const sealed = await sealElsewhere()
  assert.equal(openAll(unsealing, sealed)[0]?.state, 'sealed')
  unsealing.close()
})

async function sealElsewhere(): Promise<Draft> {
  await using folder = await stateFolder()
  const sealing = await openSealing({ ...folder, tenantKey: newTenantKey() })
  const sealed = sealing.seal(draftOf(ALICE, bytes('x')))
  assert.equal(statSync(folder.stateDir).mode & 0o077, 0)
  sealing.close()
  return sealed
}
