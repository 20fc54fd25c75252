/** Our ledger asks a quorum of two witnesses: torchwood's and ours. Its receipts then convince torchwood under that policy. */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { leafIndex } from '@countersign/tlog/size'
import { connectLedger, layoutOf } from '../../packages/gateway/src/ledger.ts'
import { makeDraft } from '../../packages/gateway/src/ledger/testing/setup.ts'
import { systemClock } from '../../packages/gateway/src/platform.ts'
import { startCommand } from '../cli/running-command.ts'
import { openRig } from '../journeys/rig.ts'
import { freePort } from '../ports.ts'
import { findCommand } from '../setup.ts'
import { startLitewitness } from './litewitness.ts'
import { installTools, runProgram } from './tools.ts'

const skip = findCommand('ssh-agent') === undefined && 'litewitness needs an ssh-agent for its key'

test(
  'litewitness and our witness cosign for our ledger, and torchwood believes both',
  { skip },
  async (t) => {
    await using rig = await openRig(() => ({
      witnesses: { policy: './witnesses.policy', timeout: '5 s', grace: '1 s' },
    }))
    await using lite = await startLitewitness()
    const [logVkey = ''] = rig.vkey.split('\n')
    lite.addLog(rig.origin, logVkey)
    const made = await rig.command(
      'witness',
      'keygen',
      '--name',
      'witness.example/ours',
      '--key',
      'w.skey',
    )
    const [ourVkey = ''] = made.stdout.split('\n')
    const listen = `127.0.0.1:${await freePort()}`
    const flags = ['--key', 'w.skey', '--state', 'w.state', '--create', '--log', 'log.vkey']
    await using ours = await startCommand(rig.dir, ['witness', ...flags, '--listen', listen])
    const witnesses = `witness lite ${lite.vkey} ${lite.url}\nwitness ours ${ourVkey} ${ours.url}\ngroup both all lite ours\nquorum both\n`
    await writeFile(join(rig.dir, 'witnesses.policy'), witnesses)
    await rig.start('signer')
    await rig.start('ledger')
    const layout = layoutOf(rig.dataDir)
    const ledger = await connectLedger({ socketPath: layout.socket, clock: systemClock })
    const [policy, entry, proof] = ['policy', 'entry', 'tlog-proof'].map((name) =>
      join(rig.dir, name),
    ) as [string, string, string]
    await writeFile(policy, `log ${logVkey}\n${witnesses}`)
    const { outsider } = await installTools()

    for (const round of [1, 2, 3]) {
      await t.test(`a receipt at D2, round ${round}`, async () => {
        const { leafIndex: index, level } = await ledger.append(makeDraft(), { level: 'D2' })
        assert.equal(level, 'D2')
        await writeFile(proof, await ledger.prove(leafIndex(index), { level: 'D2' }))
        const [bytes] = await ledger.entries(index, 1)
        assert.ok(bytes !== undefined)
        await writeFile(entry, bytes)
        const { code, stdout, stderr } = await runProgram(outsider, 'receipt', policy, entry, proof)
        assert.deepEqual(
          [code, stdout],
          [0, `verified an entry of ${bytes.length} bytes\n`],
          stderr,
        )
      })
    }
    await t.test('the published checkpoint carries both', async () => {
      await ledger.publish()
      const note = await readFile(layout.checkpoint, 'utf8')
      for (const name of [lite.name, 'witness.example/ours'])
        assert.ok(note.includes(`\n\u2014 ${name} `), note)
    })
    await t.test(
      'without one of them there is no D2, and torchwood is not convinced by D1',
      async () => {
        await ours[Symbol.asyncDispose]()
        await assert.rejects(ledger.append(makeDraft(), { level: 'D2' }), {
          code: 'WITNESS_QUORUM',
        })
        const { leafIndex: index } = await ledger.append(makeDraft(), { level: 'D1' })
        await writeFile(proof, await ledger.prove(leafIndex(index)))
        const [bytes] = await ledger.entries(index, 1)
        await writeFile(entry, bytes ?? '')
        assert.equal((await runProgram(outsider, 'receipt', policy, entry, proof)).code, 1)
      },
    )
    await ledger.close()
    await rig.stopAll()
    await rig.check()
  },
)
