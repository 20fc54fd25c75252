/** The scrubber of a whole Countersign: it finds what rots, puts it on record, and repairs it. */
import assert from 'node:assert/strict'
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setUp } from './running-up.ts'
import type { Setup } from './running-up.ts'

/** In the middle, or in the first of some words: then a record stays one, and the gateway, which reads the last ones, starts. */
async function flip(file: string, words?: string): Promise<void> {
  const bytes = await readFile(file)
  const at = words === undefined ? bytes.length >> 1 : bytes.indexOf(words) + words.length - 1
  bytes[at] = (bytes[at] ?? 0) ^ 1
  await writeFile(file, bytes)
}

/** Runs once, and makes more than 256 records. */
async function makeTraffic(setup: Setup): Promise<void> {
  await using running = await setup.up()
  for (let nth = 0; nth < 140; nth++)
    await fetch(`${running.listening['inbound']}/orders/${nth}`).then((answer) => answer.text())
  running.process.kill('SIGTERM')
  assert.equal(await running.exit, 0, running.stderr())
}

interface AlarmLine {
  readonly leaf: {
    readonly class: string
    readonly lifecycle?: { kind: string; what: string; raised: boolean; about: string }
  }
}

function alarmsOf(setup: Setup): [what: string, raised: boolean, about: string][] {
  const { stdout } = setup.countersign('tail', '--once', '--from', '0', '--json')
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as AlarmLine).leaf.lifecycle)
    .flatMap((fact) => (fact?.kind === 'alarm' ? [[fact.what, fact.raised, fact.about]] : []))
}

test('up looks after its log: damage is on record once, repaired from a mirror, and over', async () => {
  await using setup = await setUp()
  await makeTraffic(setup)
  const data = join(setup.folder, 'countersign-data')
  const mirrored = setup.countersign(
    'mirror',
    'countersign-data',
    '--to',
    'copy',
    '--vkey',
    'log.vkey',
    '--once',
  )
  assert.equal(mirrored.status, 0, mirrored.stderr)
  await setup.change((text) => `${text}\nscrub:\n  rate: 64 MiB\n  mirrors: [./copy/log]\n`)
  const before = await readFile(join(data, 'log/tile/entries/000'))
  await flip(join(data, 'log/tile/entries/000'), '"source":"system')
  {
    await using running = await setup.up()
    await running.saysOnStderr('DAMAGE: tile/entries/000')
    await running.saysOnStderr('repaired tile/entries/000 from ')
    running.process.kill('SIGTERM')
    assert.equal(await running.exit, 0, running.stderr())
  }
  assert.deepEqual(await readFile(join(data, 'log/tile/entries/000')), before)
  assert.deepEqual(alarmsOf(setup), [
    ['tile_damaged', true, 'tile/entries/000'],
    ['tile_damaged', false, 'tile/entries/000'],
  ])
  const { status, stdout } = setup.countersign('scrubber', '--status')
  assert.equal(status, 0)
  assert.match(stdout, /^no damage is known\n/)
  assert.match(stdout, / {2}repaired {4}1 file\n/)
  const complete = setup.countersign('verify', '--complete')
  assert.equal(complete.status, 0, complete.stdout)
  assert.match(complete.stdout, /\ncomplete: entries 0 to \d+, no record left out/)
})

test('a single pass says what is damaged, and exits 1 when it stays so', async () => {
  await using setup = await setUp()
  await makeTraffic(setup)
  const whole = setup.countersign('scrubber', '--once')
  assert.equal(whole.status, 0, whole.stderr)
  assert.match(whole.stdout, /^no damage is known\n {2}passes {6}\d+, the last until /)
  await cp(join(setup.folder, 'countersign-data'), join(setup.folder, 'kept'), { recursive: true })
  for (const [file, about, isMended] of [
    ['log/tile/entries/000', 'tile/entries/000', false],
    ['log/tile/0/000', 'tile/0/000', true],
    ['log/tile/1/000.p/1', 'tile/1/000.p/1', true],
    ['addenda/000.pack', 'addenda/000.pack', false],
  ] as const) {
    await flip(join(setup.folder, 'countersign-data', file))
    const { status, stdout, stderr } = setup.countersign('scrubber', '--once')
    assert.equal(status, isMended ? 0 : 1, stdout + stderr)
    assert.ok(stderr.includes(`DAMAGE: ${about}: `), stderr)
    if (isMended) continue
    assert.match(stdout, /^1 file damaged\n/)
    assert.match(stdout, /its alarm is not on record yet/)
    assert.equal(setup.countersign('scrubber', '--status', '--json').status, 1)
    await cp(join(setup.folder, 'kept', file), join(setup.folder, 'countersign-data', file))
    assert.equal(setup.countersign('scrubber', '--once').status, 0)
  }
})

test('a scrubber that cannot run stops nothing else, and says why', async () => {
  await using setup = await setUp()
  await mkdir(join(setup.folder, 'countersign-data/state'), { recursive: true })
  await writeFile(join(setup.folder, 'countersign-data/state/scrub-tmp'), 'no folder')
  await using running = await setup.up()
  await running.saysOnStderr('could not make ')
  const answer = await fetch(`${running.listening['inbound']}/orders/1`)
  assert.equal(answer.status, 401)
})
