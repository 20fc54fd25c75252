/** Checkpoints, receipts and entries, read by torchwood and golang.org/x/mod/sumdb (see `outsider/main.go`). */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeKey } from '../../packages/gateway/src/ledger/testing/setup.ts'
import { ADDENDUM_AT, LARGEST_AT, openGrownLog, SIZES } from './grown-log.ts'
import type { GrownLog } from './grown-log.ts'
import { installTools, runProgram } from './tools.ts'
import type { Ran } from './tools.ts'

async function outsider(...args: string[]): Promise<Ran> {
  return await runProgram((await installTools()).outsider, ...args)
}

interface Proven {
  readonly policy: string
  readonly entry: string
  readonly proof: string
}

/** What `countersign prove` writes for one record, and a policy (tlog-policy) that trusts the log and asks for no witness. */
async function prove({ rig }: GrownLog, index: number): Promise<Proven> {
  const [policy, entry, proof] = ['policy', `${index}.entry`, `${index}.tlog-proof`].map((name) =>
    join(rig.dir, name),
  ) as [string, string, string]
  const done = await rig.command('prove', String(index), '-o', proof, '--entry-out', entry)
  assert.equal(done.code, 0, done.stderr)
  await writeFile(policy, `log ${rig.vkey}\nquorum none\n`)
  return { policy, entry, proof }
}

const verifyReceipt = ({ policy, entry, proof }: Proven): Promise<Ran> =>
  outsider('receipt', policy, entry, proof)

/** The first and the last of each kind of place in the tree that this size has. */
const placesIn = (size: number): Set<number> =>
  new Set(
    [0, ADDENDUM_AT, LARGEST_AT, 254, 255, 256, 65_535, 65_536, size - 1].filter(
      (index) => index < size,
    ),
  )

test('torchwood and sumdb read each size of our log', async (t) => {
  await using log = await openGrownLog()
  for (const size of SIZES) {
    const [origin, , root] = (await log.growTo(size)).split('\n')
    await t.test(`the checkpoint of ${size} records opens`, async () => {
      const { stdout, stderr } = await outsider(
        'checkpoint',
        log.vkeyFile,
        join(log.folder, 'checkpoint'),
      )
      assert.equal(stdout, `opened ${origin} ${size} ${root}\n`, stderr)
    })
    await t.test(`all ${size} records are authenticated over http`, async () => {
      const { stdout, stderr } = await outsider('entries', log.vkeyFile, log.url)
      assert.match(stdout, new RegExp(`^authenticated ${size} entries of \\d+ bytes\n$`), stderr)
    })
    for (const index of placesIn(size)) {
      await t.test(`the receipt of record ${index} of ${size} verifies`, async () => {
        const proven = await prove(log, index)
        const { length } = await readFile(proven.entry)
        const { stdout, stderr } = await verifyReceipt(proven)
        assert.equal(stdout, `verified an entry of ${length} bytes\n`, stderr)
      })
    }
  }
  await log.rig.check()
})

test('a receipt that the ledger itself gives out verifies too', async () => {
  await using log = await openGrownLog()
  await log.growTo(20)
  const files = await prove(log, 7)
  await writeFile(files.proof, await log.receipt(7))
  const { stdout, stderr } = await verifyReceipt(files)
  assert.match(stdout, /^verified/, stderr)
})

test('torchwood refuses our receipt when anything of it is changed', async (t) => {
  await using log = await openGrownLog()
  await log.growTo(257)
  const good = await prove(log, 100)
  const other = await prove(log, 101)
  const text = await readFile(good.proof, 'utf8')
  const changed = async (name: string, content: string): Promise<string> => {
    const file = join(log.rig.dir, name)
    await writeFile(file, content)
    return file
  }
  const stranger = makeKey(log.rig.origin).vkey
  const refused: Record<string, Proven> = {
    'another record': { ...good, entry: other.entry },
    'another index': { ...good, proof: await changed('i', text.replace('index 100', 'index 101')) },
    'a hash less': { ...good, proof: await changed('h', text.replace(/\n[^\n]{44}\n\n/, '\n\n')) },
    'another size': { ...good, proof: await changed('s', text.replace('\n257\n', '\n256\n')) },
    'another key': { ...good, policy: await changed('p', `log ${stranger}\nquorum none\n`) },
  }
  for (const [name, files] of Object.entries(refused)) {
    await t.test(name, async () => {
      const { code, stderr } = await verifyReceipt(files)
      assert.equal(code, 1, stderr)
      assert.match(stderr, /^outsider: receipt: /)
    })
  }
  assert.equal((await verifyReceipt(good)).code, 0)
})
