/** Torchwood's litewitness cosigns our checkpoints: requests, proofs and notes are ours, the judgement is its own. */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  formatAddCheckpoint,
  parseLatestSize,
  TLOG_SIZE_TYPE,
} from '@countersign/tlog/add-checkpoint'
import { formatCheckpoint } from '@countersign/tlog/checkpoint'
import { SignatureType, parseSkey } from '@countersign/tlog/key'
import { formatNote, signNote } from '@countersign/tlog/note'
import { consistencyProofAsync } from '@countersign/tlog/proof'
import { formatReceipt, parseReceipt } from '@countersign/tlog/receipt'
import { openCheckpoint } from '@countersign/tlog/signed-checkpoint'
import type { SignedCheckpoint } from '@countersign/tlog/signed-checkpoint'
import { nodeFromTile, placeOfNode, tilePath, tileWidth } from '@countersign/tlog/tile'
import { parsePolicy } from '@countersign/tlog/witness-policy'
import { makeKey } from '../../packages/gateway/src/ledger/testing/setup.ts'
import {
  ed25519PublicKey,
  ed25519Sign,
  ed25519Verify,
  sha256,
} from '../../packages/gateway/src/cryptography.ts'
import { findCommand } from '../setup.ts'
import { openGrownLog, SIZES } from './grown-log.ts'
import type { GrownLog } from './grown-log.ts'
import { startLitewitness } from './litewitness.ts'
import { installTools, runProgram } from './tools.ts'

const skip = findCommand('ssh-agent') === undefined && 'litewitness needs an ssh-agent for its key'

/** The proof that the tree of `size` extends that of `oldSize`, from the published tiles; none from an empty tree. */
async function prove(log: GrownLog, oldSize: number, size: number): Promise<Uint8Array[]> {
  if (oldSize === 0) return []
  const readNode = async (level: number, index: number): Promise<Uint8Array> => {
    const place = placeOfNode(level, index)
    const width = tileWidth(size, place.level, place.index)
    const path = tilePath({ level: place.level, index: place.index, width })
    const answer = await fetch(`${log.url}/${path}`)
    assert.equal(answer.status, 200, path)
    return nodeFromTile(sha256, new Uint8Array(await answer.arrayBuffer()), place)
  }
  return await consistencyProofAsync(oldSize, size, { sha256, readNode })
}

/** A checkpoint of this text, signed by a private key. */
async function sign(text: string, skey: string): Promise<string> {
  const { name, id, seed } = parseSkey(skey, sha256, ed25519PublicKey)
  return formatNote(text, [await signNote(text, { name, id, sign: ed25519Sign(seed) })])
}

const textOf = (checkpoint: string): string =>
  checkpoint.slice(0, checkpoint.lastIndexOf('\n\n') + 1)

/** Opens a checkpoint that both the log and the witness must have signed. */
async function openCosigned(note: string, policy: string): Promise<SignedCheckpoint> {
  return await openCheckpoint(note, {
    policy: parsePolicy(policy, sha256),
    sha256,
    verify: ed25519Verify,
  })
}

test(
  'litewitness cosigns our log as it grows, and both sides believe the result',
  {
    skip,
  },
  async (t) => {
    await using log = await openGrownLog()
    await using witness = await startLitewitness()
    witness.addLog(log.rig.origin, log.rig.vkey)
    const policy = `log ${log.rig.vkey}\nwitness lite ${witness.vkey}\nquorum lite\n`
    const policyFile = join(log.rig.dir, 'policy')
    await writeFile(policyFile, policy)
    let oldSize = 0
    for (const size of SIZES) {
      const checkpoint = await log.growTo(size)
      const proof = await prove(log, oldSize, size)
      const body = formatAddCheckpoint({ oldSize: BigInt(oldSize), proof, checkpoint })
      const startedS = BigInt(Math.floor(Date.now() / 1000))
      const { status, text } = await witness.addCheckpoint(body)
      const cosigned = checkpoint + text
      await t.test(`from ${oldSize} to ${size} records, by ${proof.length} hashes`, async () => {
        assert.equal(status, 200, text)
        const { verified } = await openCosigned(cosigned, policy)
        const cosignature = verified.find(({ key }) => key.type === SignatureType.cosignatureV1)
        assert.equal(cosignature?.key.name, witness.name)
        assert.ok((cosignature.timestamp ?? 0n) >= startedS, `signed at ${cosignature.timestamp}`)
      })
      await t.test(`torchwood verifies a receipt with that cosignature, of ${size}`, async () => {
        const [entry, file] = [join(log.rig.dir, 'entry'), join(log.rig.dir, 'tlog-proof')]
        const receipt = parseReceipt(await log.receipt(size - 1))
        await writeFile(entry, await log.entry(size - 1))
        const { outsider } = await installTools()
        const verify = () => runProgram(outsider, 'receipt', policyFile, entry, file)
        await writeFile(file, formatReceipt({ ...receipt, checkpoint: cosigned }))
        const good = await verify()
        assert.equal(good.code, 0, good.stderr)
        await writeFile(file, formatReceipt({ ...receipt, checkpoint }))
        assert.equal((await verify()).code, 1, 'the quorum is not met without it')
      })
      oldSize = size
    }
    await log.rig.check()
  },
)

test(
  'litewitness refuses what tlog-witness tells it to, in the form our client reads',
  {
    skip,
  },
  async (t) => {
    await using log = await openGrownLog()
    await using witness = await startLitewitness()
    const older = await log.growTo(100)
    const proofToOlder = await prove(log, 7, 100)
    const newest = await log.growTo(300)
    const proof = await prove(log, 100, 300)
    const add = async (oldSize: bigint, checkpoint: string, hashes = proof) =>
      await witness.addCheckpoint(formatAddCheckpoint({ oldSize, proof: hashes, checkpoint }))
    const [skey = ''] = (await readFile(join(log.rig.dir, 'secrets/log.skey'), 'utf8')).split('\n')
    const fork = (size: bigint): Promise<string> =>
      sign(formatCheckpoint({ origin: log.rig.origin, size, root: sha256(Buffer.from('?')) }), skey)

    await t.test('404 for an origin it does not know', async () => {
      assert.equal((await add(0n, older, [])).status, 404)
    })
    witness.addLog(log.rig.origin, log.rig.vkey)
    assert.equal((await add(0n, older, [])).status, 200)

    await t.test('409 with the size it knows, for another old size', async () => {
      const { status, type, text } = await add(7n, older, proofToOlder)
      assert.deepEqual([status, type, parseLatestSize(text)], [409, TLOG_SIZE_TYPE, 100n])
    })
    await t.test('400 for an old size over that of the checkpoint', async () => {
      assert.equal((await add(101n, older, [])).status, 400)
    })
    await t.test('403 without a signature of the log', async () => {
      const stranger = await sign(textOf(newest), makeKey(log.rig.origin).skey)
      assert.equal((await add(100n, stranger)).status, 403)
    })
    await t.test('422 for a past rewritten with the key of the log', async () => {
      assert.equal((await add(100n, await fork(300n))).status, 422)
      assert.equal((await add(100n, await fork(100n), [])).status, 422)
    })
    await t.test('200 for the true checkpoint, once and again', async () => {
      assert.equal((await add(100n, newest)).status, 200)
      assert.equal((await add(300n, newest, [])).status, 200)
    })
  },
)
