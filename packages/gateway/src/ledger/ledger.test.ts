import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { test } from 'node:test'
import { parseReceipt, verifyReceipt } from '@countersign/tlog/receipt'
import { leafIndex } from '@countersign/tlog/size'
import { parseVkey } from '@countersign/tlog/key'
import { checkLedger, connectLedger, readAddenda, runLedger } from '../ledger.ts'
import { ed25519Verify, sha256 } from '../cryptography.ts'
import { systemClock } from '../platform.ts'
import { runSigner } from '../witness.ts'
import { makeDraft, makeLog } from './testing/setup.ts'

test('records are durable, then signed, then published, and every receipt verifies', async () => {
  await using log = await makeLog()
  const signer = log.own(await runSigner(log.signer))
  const ledger = log.own(await runLedger(log.ledger))
  const client = log.own(await connectLedger({ socketPath: ledger.socketPath, clock: systemClock }))
  const content = Buffer.from('{"salt":"00","name":"Ada"}')
  const receipts = await Promise.all(
    Array.from({ length: 700 }, async (_, n) =>
      client.append(makeDraft(n % 3 === 0 ? { content } : {})),
    ),
  )
  deepEqual(
    receipts.map((receipt) => receipt.leafIndex),
    Array.from({ length: 700 }, (_, n) => n + 1),
  )
  const signed = await client.append(makeDraft(), { level: 'D1' })
  deepEqual(signed, { leafIndex: leafIndex(701), level: 'D1' })
  ok((await client.status()).signed >= 702)
  const proof = await client.prove(leafIndex(300))
  equal(parseReceipt(proof).index, 300n)
  const [entry] = await client.entries(300, 1)
  ok(entry)
  await verifyReceipt({
    receipt: proof,
    entry,
    keys: [parseVkey(log.vkey, sha256)],
    sha256,
    verify: ed25519Verify,
  })
  await client.publish()
  const status = await client.status()
  equal(status.published, 702)
  equal(status.lastError, null)
  deepEqual(await readAddenda(log.dataDir, 1), [{ content }])
  await rejects(client.prove(leafIndex(10_000)), { code: 'LEDGER_RANGE' })
  await client.close()
  await ledger.close()
  const checked = await checkLedger(log.dataDir, { vkey: log.vkey })
  equal(checked.durable, 703)
  equal(checked.published, 703)
  equal(checked.sessions.get(client.session), 701)
  await signer.close()
})

test('a ledger that was closed is taken up where it was', async () => {
  await using log = await makeLog()
  const signer = log.own(await runSigner(log.signer))
  for (let boot = 0; boot < 4; boot++) {
    const ledger = log.own(await runLedger(log.ledger))
    const client = log.own(
      await connectLedger({ socketPath: ledger.socketPath, clock: systemClock }),
    )
    await Promise.all(
      Array.from({ length: 300 }, async () =>
        client.append(makeDraft({ bytes: 200, content: Buffer.from('x') })),
      ),
    )
    const page = await client.entries(boot * 302, 2000)
    ok(page.length > 0)
    await client.close()
    await ledger.close()
    const checked = await checkLedger(log.dataDir, { vkey: log.vkey })
    equal(checked.published, (boot + 1) * 302)
  }
  await signer.close()
})
