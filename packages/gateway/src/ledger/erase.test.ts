import { deepEqual, equal, notEqual, ok, rejects } from 'node:assert/strict'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { addendumPath } from '@countersign/tlog/addenda'
import { leafIndex } from '@countersign/tlog/size'
import { encodeEnvelope, envelopeHead } from '@countersign/record/envelope'
import { formatLeafList } from '@countersign/record/leaf-list'
import type { Addendum, Draft } from '@countersign/record/leaf'
import { checkLedger, connectLedger, readAddenda, runLedger } from '../ledger.ts'
import { runSigner } from '../witness.ts'
import type { Ledger } from '../ledger.ts'
import { sha256Hex } from '../cryptography.ts'
import { systemClock } from '../platform.ts'
import { layoutOf, packPath } from './layout.ts'
import { makeDraft, makeLog } from './testing/setup.ts'

const ALICE = 'a'.repeat(32)
const BOB = 'b'.repeat(32)

/** A draft whose addendum is sealed for somebody; here any bytes will do for a ciphertext. */
function sealedDraft(subject: string, text: string): Draft {
  const envelope = encodeEnvelope(envelopeHead(subject), new Uint8Array(40).fill(1))
  const addenda: Addendum[] = [{ name: 'request', content: Buffer.from(text), envelope }]
  return { leaf: makeDraft().leaf, addenda }
}

function erasureDraft(subject: string, leaves: string): Draft {
  const facts = { subject, basis: 'article 17', by: 'the person', leaves, part: 1, parts: 1 }
  const lifecycle = { kind: 'erasure', ...facts } as const
  const { reason: _, ...leaf } = makeDraft().leaf
  return {
    leaf: { ...leaf, class: 'lifecycle', action: 'lifecycle.erasure', lifecycle },
    addenda: [],
  }
}

/** Which of the records have something in their pack. */
async function present(dataDir: string, size: number): Promise<number[]> {
  const there: number[] = []
  for (let index = 0; index < size; index++)
    if ((await readAddenda(dataDir, index)).some((one) => one !== undefined)) there.push(index)
  return there
}

async function fetchStatus(port: number, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      let body = ''
      response.on('data', (chunk: Buffer) => (body += chunk.toString()))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
    }).on('error', reject)
  })
}

async function append(client: Ledger, ...drafts: Draft[]): Promise<number[]> {
  const receipts = await Promise.all(drafts.map((draft) => client.append(draft)))
  return receipts.map((receipt) => receipt.leafIndex)
}

test('what an erasure record names goes from the packs, nothing else does, and the log stays whole', async () => {
  await using log = await makeLog()
  const { dataDir, vkey } = log
  log.own(await runSigner(log.signer))
  const ledger = log.own(await runLedger(log.ledger))
  const client = log.own(await connectLedger({ socketPath: ledger.socketPath, clock: systemClock }))
  // Three packs: the middle one holds nothing but Alice's.
  const drafts = Array.from({ length: 600 }, (_, at) =>
    sealedDraft(
      at >= 200 && at < 560 && at % 300 < 270 ? ALICE : at % 3 === 0 ? ALICE : BOB,
      `${at}`,
    ),
  )
  const indexes = await append(client, ...drafts)
  const alices = indexes.filter((_, at) => subjectAt(drafts, at) === ALICE)
  const bobs = indexes.filter((_, at) => subjectAt(drafts, at) === BOB)
  const clear = await append(client, makeDraft({ content: Buffer.from('in clear, and named') }))
  const other = await append(client, makeDraft({ content: Buffer.from('in clear, and not named') }))
  const named = [...alices, ...clear]
  // A record of Bob's in the list does not make it Alice's.
  const [bob = 0] = bobs
  const list = formatLeafList([...named, bob].toSorted((a, b) => a - b))
  const [record = 0] = await append(client, erasureDraft(ALICE, list))
  await rejects(client.erase(leafIndex(record - 1)), { code: 'LEDGER_RANGE' })
  await rejects(client.erase(leafIndex(record + 10)), { code: 'LEDGER_RANGE' })
  equal(await client.erase(leafIndex(record)), named.length)
  equal(await client.erase(leafIndex(record)), 0)
  deepEqual(
    await present(dataDir, record),
    [...bobs, ...other].toSorted((a, b) => a - b),
  )
  // The log goes on in the pack that was rewritten.
  const [later = 0] = await append(client, sealedDraft(ALICE, 'later'))
  await client.publish()
  deepEqual(
    (await readAddenda(dataDir, later)).map((one) => one?.content.toString()),
    ['later'],
  )
  deepEqual(await readdir(layoutOf(dataDir).temporary), [])
  await checkLedger(dataDir, { vkey })
  await client.close()
  await ledger.close()
  // Without the record, the same gap is damage.
  await checkLedger(dataDir, { vkey })
  const pack = join(layoutOf(dataDir).addenda, packPath(2))
  const kept = await readFile(pack)
  await rm(pack)
  await rejects(checkLedger(dataDir, { vkey }), { message: /addendum 0 of record \d+ is missing/ })
  await writeFile(pack, kept)
  await checkLedger(dataDir, { vkey })
})

function subjectAt(drafts: readonly Draft[], at: number): string {
  const envelope = drafts[at]?.addenda[0]?.envelope ?? new Uint8Array(0)
  return Buffer.from(envelope.subarray(2, 34)).toString()
}

test('erasing while the ledger writes and publishes loses nothing of anybody else', async () => {
  await using log = await makeLog({ checkpointIntervalMs: 5 })
  log.own(await runSigner(log.signer))
  const ledger = log.own(await runLedger(log.ledger))
  const client = log.own(await connectLedger({ socketPath: ledger.socketPath, clock: systemClock }))
  const kept: number[] = []
  for (let round = 0; round < 12; round++) {
    const alices = await append(
      client,
      ...[1, 2, 3].map((n) => sealedDraft(ALICE, `${round}/${n}`)),
    )
    const [record = 0] = await append(client, erasureDraft(ALICE, formatLeafList(alices)))
    const writing = append(client, ...[1, 2, 3].map((n) => sealedDraft(BOB, `${round}/${n}`)))
    const [removed] = await Promise.all([client.erase(leafIndex(record)), writing])
    equal(removed, 3)
    kept.push(...(await writing))
  }
  await client.publish()
  deepEqual(await present(log.dataDir, (await client.status()).published), kept)
  await client.close()
  await ledger.close()
  await checkLedger(log.dataDir, { vkey: log.vkey })
})

test('sealed addenda are served by their digests; those in clear and those erased are not there', async () => {
  await using log = await makeLog({ logAddress: '127.0.0.1:0' })
  log.own(await runSigner(log.signer))
  const start = async (): Promise<{ client: Ledger; port: number; close: () => Promise<void> }> => {
    const ledger = log.own(await runLedger(log.ledger))
    const client = await connectLedger({ socketPath: ledger.socketPath, clock: systemClock })
    const close = async (): Promise<void> => {
      await client.close()
      await ledger.close()
    }
    return { client, port: ledger.logAddress?.port ?? 0, close }
  }
  const pathOf = (text: string): string => `/${addendumPath(sha256Hex(text))}`
  let { client, port, close } = await start()
  await append(client, ...Array.from({ length: 300 }, (_, at) => sealedDraft(BOB, `bob ${at}`)))
  const alices = await append(client, sealedDraft(ALICE, 'alice'))
  await append(client, makeDraft({ content: Buffer.from('in clear') }))
  await client.publish()
  for (const at of [0, 17, 255, 256, 299])
    deepEqual(await fetchStatus(port, pathOf(`bob ${at}`)), { status: 200, body: `bob ${at}` })
  equal((await fetchStatus(port, pathOf('alice'))).status, 200)
  for (const path of [
    pathOf('in clear'),
    pathOf('never there'),
    pathOf('alice').toUpperCase(),
    pathOf('alice').replace('/addenda/', '/addenda/../addenda/'),
    pathOf('alice').replace(/\/..\/..\//, '/00/00/'),
    `${pathOf('alice')}/`,
    `${pathOf('alice')}?x`,
    '/addenda/index.db',
    '/addenda/000.pack',
  ])
    equal((await fetchStatus(port, path)).status, 404, path)
  const [record = 0] = await append(client, erasureDraft(ALICE, formatLeafList(alices)))
  equal(await client.erase(leafIndex(record)), 1)
  equal((await fetchStatus(port, pathOf('alice'))).status, 404)
  await close()
  // An index that is damaged is made anew; one that is whole is read on from where it was.
  for (const damage of ['no database', undefined]) {
    if (damage !== undefined) await writeFile(join(log.dataDir, 'addenda', 'index.db'), damage)
    ;({ client, port, close } = await start())
    await append(client, sealedDraft(BOB, `after ${damage}`))
    await client.publish()
    await fetchStatus(port, pathOf('bob 3')).catch(() => undefined)
    equal((await fetchStatus(port, pathOf('bob 3'))).status, 200)
    equal((await fetchStatus(port, pathOf(`after ${damage}`))).status, 200)
    equal((await fetchStatus(port, pathOf('alice'))).status, 404)
    await close()
  }
  const { entries } = await checkLedger(log.dataDir, { vkey: log.vkey })
  notEqual(entries.length, 0)
  ok((await readdir(join(log.dataDir, 'log'))).every((name) => name !== 'addenda'))
})
