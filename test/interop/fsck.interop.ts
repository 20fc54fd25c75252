/** Tessera's fsck: re-hashes a whole log, and compares each tile with what it must be. */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { openGrownLog, SIZES } from './grown-log.ts'
import { installTools, runProgram } from './tools.ts'
import type { Ran } from './tools.ts'

/** It ends with 0 whatever it found, so what it says is what counts. */
async function fsck(url: string, vkeyFile: string): Promise<Ran> {
  const program = (await installTools()).fsck
  // A worker ends at the first bad tile it meets; a program with no worker left would wait for ever.
  const options = ['-ui=false', '-logtostderr', '-N=8']
  return await runProgram(program, ...options, `-storage_url=${url}`, `-public_key=${vkeyFile}`)
}

test("Tessera's fsck finds each size of our log as it was signed", async (t) => {
  await using log = await openGrownLog()
  for (const size of SIZES) {
    const [, , root = ''] = (await log.growTo(size)).split('\n')
    for (const url of [`file://${log.folder}`, log.url]) {
      await t.test(`${size} records over ${new URL(url).protocol}//`, async () => {
        const { stderr } = await fsck(url, log.vkeyFile)
        assert.ok(
          stderr.includes(`Successfully fsck'd log with size ${size} and root ${root} `),
          stderr,
        )
        assert.ok(!stderr.includes('fsck failed'), stderr)
      })
    }
  }
  await log.rig.check()
})

test("Tessera's fsck refuses our log when a byte of it is changed", async (t) => {
  await using log = await openGrownLog()
  await log.growTo(257)
  for (const file of ['tile/entries/000', 'tile/0/000', 'tile/1/000.p/1', 'checkpoint']) {
    await t.test(`in ${file}`, async () => {
      const path = join(log.folder, file)
      const bytes = await readFile(path)
      const changed = Buffer.from(bytes)
      changed.writeUInt8(changed.readUInt8(30) ^ 1, 30)
      await writeFile(path, changed)
      const { stderr } = await fsck(`file://${log.folder}`, log.vkeyFile)
      await writeFile(path, bytes)
      assert.ok(stderr.includes('fsck failed: '), stderr)
      assert.ok(!stderr.includes('Successfully'), stderr)
    })
  }
  assert.ok((await fsck(`file://${log.folder}`, log.vkeyFile)).stderr.includes('Successfully'))
})
