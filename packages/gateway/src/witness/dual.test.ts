/** A log with two keys: the signer uses both, the ledger insists on both, and everybody else is content with either. */
import { deepEqual, equal, match } from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { parseVkey, SignatureType } from '@countersign/tlog/key'
import { openNote } from '@countersign/tlog/note'
import { makeLog, ORIGIN } from '../ledger/testing/setup.ts'
import { checkLedger, layoutOf, runLedger } from '../ledger.ts'
import { ed25519Verify, mlDsa44, sha256 } from '../cryptography.ts'
import { makeKey, runSigner } from '../witness.ts'

test('each published checkpoint is signed with both keys, and either alone is enough to believe it', async () => {
  await using log = await makeLog()
  const second = makeKey(ORIGIN, SignatureType.mlDsa44)
  const nowS = 1_790_000_000n
  const clock = { nowNs: () => nowS * 1_000_000_000n, monotonicNs: () => 0n }
  const signer = { ...log.signer, key: `${log.signer.key}\n${second.skey}\n`, clock }
  log.own(await runSigner(signer))
  const both = `${log.vkey}\n${second.vkey}\n`
  const ledger = await runLedger({ ...log.ledger, logVkey: both })
  await ledger.close()
  const note = await readFile(layoutOf(log.dataDir).checkpoint, 'utf8')
  const { verified } = await openNote(note, {
    keys: [log.vkey, second.vkey].map((vkey) => parseVkey(vkey, sha256)),
    sha256,
    verify: ed25519Verify,
    verifyMlDsa44: mlDsa44.verify,
  })
  deepEqual(
    verified.map(({ key, timestamp }) => [key.name, key.type, timestamp]),
    [
      [ORIGIN, 1, undefined],
      [ORIGIN, 6, nowS],
    ],
  )
  for (const vkey of [log.vkey, second.vkey, both]) await checkLedger(log.dataDir, { vkey })
})

test('a ledger that knows two keys publishes nothing that only one of them signed, nor that another log signed', async () => {
  await using log = await makeLog()
  log.own(await runSigner(log.signer))
  const second = makeKey(ORIGIN, SignatureType.mlDsa44)
  const said = async (logVkey: string): Promise<string> => {
    const { promise, resolve } = Promise.withResolvers<string>()
    const ledger = await runLedger({
      ...log.ledger,
      logVkey,
      onError: (error) => resolve(String(error)),
    })
    const message = await promise
    await ledger.close()
    return message
  }
  match(
    await said(`${log.vkey}\n${second.vkey}`),
    /could not sign: the signer signed with 1 of the 2 keys of this log/,
  )
  match(await said(second.vkey), /what the signer answered is not signed by this log/)
  equal((await checkLedger(log.dataDir)).published, 0)
})
