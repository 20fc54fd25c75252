/** The ledger and its quorum: real witnesses on real sockets, and some that hang, forget and accuse. */
import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { decodeEntry } from '@countersign/record/decode'
import { SignatureType } from '@countersign/tlog/key'
import { parseNote } from '@countersign/tlog/note'
import { parseReceipt } from '@countersign/tlog/receipt'
import { openCheckpoint } from '@countersign/tlog/signed-checkpoint'
import { leafIndex } from '@countersign/tlog/size'
import { parsePolicy } from '@countersign/tlog/witness-policy'
import { checkLedger, connectLedger, LedgerError, runLedger } from '../ledger.ts'
import { ed25519Verify, mlDsa44, sha256 } from '../cryptography.ts'
import { systemClock } from '../platform.ts'
import { runSigner } from '../witness.ts'
import { layoutOf } from './layout.ts'
import { makeDraft, makeLog, startProcess } from './testing/setup.ts'
import type { TestLog } from './testing/setup.ts'
import {
  always,
  cosigners,
  end,
  run,
  until,
  untilD2,
  untilStatus,
} from './testing/witnessed-ledger.ts'
import { policyOf, startServer, startWitness } from './testing/witnesses.ts'

/** Long enough that whoever waited for it would fail the test. */
const NEVER_MS = 600_000

async function published(log: TestLog): Promise<{ size: number; note: string; names: string[] }> {
  const note = await readFile(layoutOf(log.dataDir).checkpoint, 'utf8')
  const { text, signatures } = parseNote(note)
  return { size: Number(text.split('\n')[1]), note, names: signatures.map(({ name }) => name) }
}

test('an append climbs from durable to signed to witnessed, and its receipt verifies under the policy', async () => {
  await using log = await makeLog()
  log.own(await runSigner(log.signer))
  const witnesses = [
    await startWitness(log, 'w1'),
    await startWitness(log, 'w2', { type: SignatureType.mlDsa44 }),
    await startWitness(log, 'w3'),
  ]
  const policy = policyOf(log, witnesses, 2)
  const running = await run(log, { policy })
  const { client } = running
  const levels: string[] = []
  const receipt = await client.append(makeDraft(), {
    level: 'D2',
    onLevel: ({ level }) => levels.push(level),
  })
  deepEqual(receipt, { leafIndex: leafIndex(1), level: 'D2' })
  deepEqual(levels, ['D0', 'D1', 'D2'])
  const proof = await client.prove(receipt.leafIndex, { level: 'D2' })
  ok((await cosigners(client, policy, { index: receipt.leafIndex, receipt: proof })).length >= 2)
  await client.publish()
  // The third may come late: then it is put under the checkpoint that is published already.
  await until(async () => (await published(log)).names.length === 4)
  const { checkpoint } = await openCheckpoint((await published(log)).note, {
    policy: parsePolicy(policy, sha256),
    sha256,
    verify: ed25519Verify,
    verifyMlDsa44: mlDsa44.verify,
  })
  ok(checkpoint.size >= 2n)
  await untilStatus(client, ({ each }) => each.every(({ size }) => size >= 2))
  const status = (await client.status()).witnesses
  equal(status?.quorum, '2 of (w1, w2, w3)')
  equal(status.up, true)
  ok(status.each.every(({ latencyMs, failure }) => latencyMs !== null && failure === null))
  await end(log, running)
  // The shutdown record is under a cosigned checkpoint too.
  ok((await published(log)).names.length >= 3)
})

test('all who wait share one round, and a record that asks for less waits for less', async () => {
  await using log = await makeLog({ checkpointIntervalMs: NEVER_MS })
  log.own(await runSigner(log.signer))
  const witness = await startWitness(log, 'w1')
  const running = await run(log, { policy: policyOf(log, [witness], 'all') })
  const { client } = running
  await client.append(makeDraft(), { level: 'D2' })
  const before = witness.cosigned
  const receipts = await Promise.all(
    Array.from({ length: 300 }, async (_, n) =>
      client.append(makeDraft(), { level: n % 3 === 0 ? 'D0' : 'D2' }),
    ),
  )
  equal(receipts.filter(({ level }) => level === 'D2').length, 200)
  ok(witness.cosigned - before < 20, `${witness.cosigned - before} rounds for 200 records`)
  await end(log, running)
})

test('a witness that hangs delays nobody, and is named once its time is over', async () => {
  await using log = await makeLog()
  log.own(await runSigner(log.signer))
  const hanging = await startServer(log, 'hanging', (request) => request.resume())
  const good = [await startWitness(log, 'w1'), await startWitness(log, 'w2')]
  const policy = policyOf(log, [hanging, ...good], 2)
  const patient = await run(log, { policy, timeoutMs: NEVER_MS })
  for (let n = 0; n < 3; n++) await patient.client.append(makeDraft(), { level: 'D2' })
  await end(log, patient)
  const running = await run(log, { policy, timeoutMs: 1_000 }, { checkpointIntervalMs: 20 })
  await running.client.append(makeDraft())
  await untilStatus(running.client, ({ each }) => each[0]?.failure !== null)
  const [first] = (await running.client.status()).witnesses?.each ?? []
  match(first?.failure ?? '', /did not answer within 1000 ms/)
  await end(log, running)
})

test('a witness on https is believed only under an authority that we know', async () => {
  await using log = await makeLog()
  log.own(await runSigner(log.signer))
  const [keyFile, certificateFile] = [join(log.folder, 'tls.key'), join(log.folder, 'tls.pem')]
  const names = ['-subj', '/CN=witness', '-addext', 'subjectAltName=IP:127.0.0.1']
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  const files = ['-keyout', keyFile, '-out', certificateFile]
  execFileSync('openssl', ['req', '-x509', ...made, ...names, ...files], { stdio: 'ignore' })
  const certificate = await readFile(certificateFile, 'utf8')
  const tls = { certificate, key: await readFile(keyFile, 'utf8') }
  const witness = await startWitness(log, 'w1', { tls })
  match(witness.url, /^https:/)
  const policy = policyOf(log, [witness], 'all')
  const trusting = await run(log, { policy, ca: certificate })
  equal((await trusting.client.append(makeDraft(), { level: 'D2' })).level, 'D2')
  await end(log, trusting)
  const wary = await run(log, { policy })
  await rejects(wary.client.append(makeDraft(), { level: 'D2' }), { code: 'WITNESS_QUORUM' })
  match((await wary.client.status()).witnesses?.each[0]?.failure ?? '', /self-signed certificate/)
  await end(log, wary)
})

test('a witness that stands elsewhere than we believe says so with 409, and gets its proof from there', async () => {
  await using log = await makeLog()
  log.own(await runSigner(log.signer))
  const witness = await startWitness(log, 'w1')
  const policy = policyOf(log, [witness], 'all')
  const first = await run(log, { policy })
  await first.client.append(makeDraft(), { level: 'D2' })
  await end(log, first)
  // What tells how far it went is gone.
  const { note } = await published(log)
  const { text, signatures } = parseNote(note)
  await writeFile(layoutOf(log.dataDir).checkpoint, `${text}\n${signatures[0]?.line ?? ''}\n`)
  const second = await run(log, { policy })
  const { level } = await second.client.append(makeDraft(), { level: 'D2' })
  equal(level, 'D2')
  equal((await second.client.status()).witnesses?.each[0]?.failures, 0)
  await end(log, second)
})

test('a witness that is set back to an older state is refused, and the quorum that needs it is an alarm', async () => {
  await using log = await makeLog({ checkpointIntervalMs: 20 })
  log.own(await runSigner(log.signer))
  const [one, two] = [await startWitness(log, 'w1'), await startWitness(log, 'w2')]
  const running = await run(log, { policy: policyOf(log, [one, two], 'all'), graceMs: 0 })
  const { client, alarms } = running
  await client.append(makeDraft(), { level: 'D2' })
  await two.stop()
  await copyFile(two.statePath, `${two.statePath}.old`)
  await two.start()
  await untilD2(client)
  await two.stop()
  await copyFile(two.statePath, `${two.statePath}.new`)
  await copyFile(`${two.statePath}.old`, two.statePath)
  await two.start()
  await client.append(makeDraft())
  await untilStatus(client, ({ each }) => /forgot what it cosigned/.test(each[1]?.failure ?? ''))
  await rejects(client.append(makeDraft(), { level: 'D2' }), (error) => {
    ok(error instanceof LedgerError)
    deepEqual([error.code, error.kept], ['WITNESS_QUORUM', true])
    return true
  })
  await until(() => alarms.at(-1)?.raised === true)
  match(alarms.at(-1)?.detail ?? '', /^w2: it forgot what it cosigned/)
  equal(alarms.at(-1)?.about, 'all of (w1, w2)')
  // With the state that it should have had it is a witness again.
  await two.stop()
  await copyFile(`${two.statePath}.new`, two.statePath)
  await two.start()
  await until(() => alarms.at(-1)?.raised === false)
  await untilD2(client)
  await end(log, running)
})

test('a quorum out of reach is one alarm when it begins and one when it is over, and the log goes on', async () => {
  await using log = await makeLog({ checkpointIntervalMs: 10 })
  log.own(await runSigner(log.signer))
  const witnesses = [await startWitness(log, 'w1'), await startWitness(log, 'w2')]
  const running = await run(log, { policy: policyOf(log, witnesses, 1), graceMs: 100 })
  const { client, alarms } = running
  await client.append(makeDraft(), { level: 'D2' })
  await Promise.all(witnesses.map(async (witness) => witness.stop()))
  await rejects(client.append(makeDraft(), { level: 'D2' }), { code: 'WITNESS_QUORUM' })
  const { leafIndex: index } = await client.append(makeDraft(), { level: 'D1' })
  await rejects(client.prove(index, { level: 'D2' }), { code: 'WITNESS_QUORUM' })
  // At D1 it has a receipt all the same, and is published.
  ok(parseReceipt(await client.prove(index)).index === BigInt(index))
  await client.publish()
  await until(() => alarms.length === 1)
  equal((await client.status()).witnesses?.up, false)
  await Promise.all(witnesses.map(async (witness) => witness.start()))
  await until(() => alarms.length === 2)
  await untilD2(client)
  ok((await client.prove(index, { level: 'D2' })).includes('witness.example/'))
  const leaves = await end(log, running)
  const onRecord = leaves.filter(({ lifecycle }) => lifecycle?.kind === 'alarm')
  deepEqual(
    onRecord.map(({ severity, outcome, reason, lifecycle }) => [
      severity,
      outcome,
      reason,
      lifecycle?.kind === 'alarm' && lifecycle.raised,
    ]),
    [
      ['warning', 'failure', 'witness_quorum', true],
      ['info', 'success', 'witness_quorum', false],
    ],
  )
})

test('a checkpoint goes out signed when the quorum is slow, and its cosignatures follow it', async () => {
  await using log = await makeLog({ checkpointIntervalMs: 10 })
  log.own(await runSigner(log.signer))
  const witness = await startWitness(log, 'w1')
  const running = await run(log, { policy: policyOf(log, [witness], 'all') })
  const { client } = running
  await client.append(makeDraft(), { level: 'D2' })
  await witness.stop()
  await client.append(makeDraft())
  await client.publish()
  const before = await published(log)
  deepEqual([before.size, before.names], [3, ['log.example.com/test']])
  await witness.start()
  await until(async () => (await published(log)).names.length === 2)
  equal((await published(log)).size, 3)
  await end(log, running)
})

test('a witness that says our log forked is an alarm at once, once, and stays in the status', async () => {
  await using log = await makeLog({ checkpointIntervalMs: 10 })
  log.own(await runSigner(log.signer))
  const good = await startWitness(log, 'good')
  const forked = await startServer(log, 'forked', always(422, 'another root\n'))
  const running = await run(log, { policy: policyOf(log, [good, forked], 'any') })
  const { client, alarms } = running
  await until(() => alarms.length > 0)
  await untilStatus(client, ({ each }) => (each[1]?.failures ?? 0) > 2)
  deepEqual(
    alarms.map(({ what, raised, about }) => [what, raised, about]),
    [['witness_fork', true, 'forked']],
  )
  match(alarms[0]?.detail ?? '', /422 "another root/)
  equal((await client.status()).witnesses?.each[1]?.forked, true)
  const leaves = await end(log, running)
  const alarm = leaves.find(({ lifecycle }) => lifecycle?.kind === 'alarm')
  deepEqual([alarm?.class, alarm?.severity, alarm?.outcome], ['ledger', 'critical', 'failure'])
})

test('a receipt at D2 that was handed out still verifies after the ledger was killed', async () => {
  await using log = await makeLog({ checkpointIntervalMs: NEVER_MS })
  log.own(await startProcess('signer', log.signer))
  const witnesses = [await startWitness(log, 'w1'), await startWitness(log, 'w2')]
  const policy = policyOf(log, witnesses, 'all')
  const options = { ...log.ledger, witnesses: { policy, timeoutMs: 60_000 } }
  const first = log.own(await startProcess('ledger', options))
  const socketPath = layoutOf(log.dataDir).socket
  const before = await connectLedger({ socketPath, clock: systemClock })
  const draft = makeDraft()
  const { leafIndex: index } = await before.append(draft, { level: 'D2' })
  const receipt = await before.prove(index, { level: 'D2' })
  // Durable, signed, witnessed and not published: the worst moment.
  const waiting = before.append(makeDraft(), { level: 'D2' })
  waiting.catch(() => undefined)
  await first.kill()
  await rejects(waiting, (error) => error instanceof LedgerError && error.kept)
  await before.close().catch(() => undefined)
  log.own(await startProcess('ledger', options))
  const after = log.own(await connectLedger({ socketPath, clock: systemClock }))
  const [entry] = await after.entries(index, 1)
  equal(decodeEntry(entry ?? new Uint8Array(0)).leaf.id, draft.leaf.id)
  equal((await cosigners(after, policy, { index, receipt })).length, 2)
  await untilD2(after)
  const renewed = await after.prove(index, { level: 'D2' })
  equal((await cosigners(after, policy, { index, receipt: renewed })).length, 2)
  await after.publish()
  await after.close()
})

test('without witnesses nobody reaches D2, and a policy that cannot be used is refused at the start', async () => {
  await using log = await makeLog()
  log.own(await runSigner(log.signer))
  const bad = { witnesses: { policy: 'witness w1\nquorum w1\n' } }
  await rejects(runLedger({ ...log.ledger, ...bad }), (error) => {
    ok(error instanceof LedgerError && error.code === 'WITNESS_POLICY')
    match(error.message, /line 1/)
    return true
  })
  const ledger = log.own(await runLedger(log.ledger))
  const client = log.own(await connectLedger({ socketPath: ledger.socketPath, clock: systemClock }))
  await rejects(client.append(makeDraft(), { level: 'D2' }), (error) => {
    ok(error instanceof LedgerError && error.code === 'WITNESS_QUORUM' && error.kept)
    return true
  })
  equal((await client.status()).witnesses, null)
  await client.close()
  await ledger.close()
  await checkLedger(log.dataDir, { vkey: log.vkey })
})
