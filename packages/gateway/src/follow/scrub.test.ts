import assert from 'node:assert/strict'
import {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  truncate,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { tilePath, tilesForSize } from '@countersign/tlog/tile'
import type { FollowError } from './errors.ts'
import { openLogSource } from './log-source.ts'
import { Pace } from './pace.ts'
import { scrubLog } from './scrub.ts'
import type { ScrubEvent, ScrubOptions } from './scrub.ts'
import type { Alarm } from './scrub-damages.ts'
import type { ScrubState } from './scrub-state.ts'
import { entriesOf } from './testing/copies.ts'
import { openLogFolder } from './testing/log-folder.ts'
import type { LogFolder } from './testing/log-folder.ts'

interface Patient extends AsyncDisposable {
  readonly log: LogFolder
  readonly alarms: Alarm[]
  readonly events: ScrubEvent[]
  scrub(options?: Partial<ScrubOptions>): Promise<ScrubState>
}

/** A log that is looked after; its files are kept beside it as they were. */
async function openPatient(size: number): Promise<Patient> {
  const log = await openLogFolder()
  await log.publish(entriesOf(0, size))
  const beside = await mkdtemp(join(tmpdir(), 'countersign-scrub-'))
  await mkdir(join(beside, 'tmp'))
  const alarms: Alarm[] = []
  const events: ScrubEvent[] = []
  return {
    log,
    alarms,
    events,
    scrub: (options = {}) =>
      scrubLog({
        log: log.log,
        folder: log.folder,
        temporary: join(beside, 'tmp'),
        statePath: join(beside, 'scrub.json'),
        bytesPerSecond: 1e12,
        mirrors: [],
        record: async (alarm) => void alarms.push(alarm),
        onEvent: (event) => events.push(event),
        passes: 1,
        signal: new AbortController().signal,
        nowMs: () => 1_800_000_000_000,
        ...options,
      }),
    async [Symbol.asyncDispose]() {
      await rm(beside, { recursive: true })
      await log[Symbol.asyncDispose]()
    },
  }
}

async function flip(log: LogFolder, path: string): Promise<Buffer> {
  const file = join(log.folder, path)
  const bytes = await readFile(file)
  const other = Buffer.from(bytes)
  other[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
  await writeFile(file, other)
  return bytes
}

/** Every kind of file that a log of this size has: full and partial tiles of each level, and bundles. */
const SIZE = 66_000
const KINDS = [
  'tile/entries/100',
  'tile/0/100',
  'tile/1/000',
  'tile/entries/257.p/208',
  'tile/0/257.p/208',
  'tile/1/001.p/1',
  'tile/2/000.p/1',
]

test('a log that is whole is read to its end, and nothing is told', async () => {
  await using patient = await openPatient(700)
  const state = await patient.scrub()
  assert.deepEqual([state.damage, state.passes, state.cursor], [[], 1, 0])
  assert.deepEqual(patient.alarms, [])
  const files = [...tilesForSize(700)].map(tilePath)
  const sizes = await Promise.all(
    files.map(async (path) => (await readFile(join(patient.log.folder, path))).length),
  )
  assert.ok((state.lastPassBytes ?? 0) >= sizes.reduce((sum, bytes) => sum + bytes, 0))
  assert.equal((await patient.scrub()).passes, 2)
})

test('a flipped bit in any kind of file is found, told once, and repaired from a mirror', async () => {
  await using patient = await openPatient(SIZE)
  await using mirror = await openLogFolder()
  await cp(patient.log.folder, mirror.folder, { recursive: true })
  const mirrors = [await openLogSource(mirror.folder)]
  for (const path of KINDS) {
    const bytes = await flip(patient.log, path)
    const state = await patient.scrub({ mirrors })
    assert.deepEqual(state.damage, [], path)
    assert.ok((await readFile(join(patient.log.folder, path))).equals(bytes), path)
    const told = patient.alarms.splice(0)
    assert.deepEqual(
      told.map(({ what, raised, about }) => [what, raised, about]),
      [
        ['tile_damaged', true, path],
        ['tile_damaged', false, path],
      ],
    )
    assert.match(told[1]?.detail ?? '', /^it was repaired from /)
  }
  const last = await patient.scrub({ mirrors })
  assert.deepEqual([patient.alarms, last.repaired], [[], KINDS.length])
})

test('tiles are repaired from what is below them, without a mirror; entries are not', async () => {
  await using patient = await openPatient(SIZE)
  for (const path of KINDS) {
    await flip(patient.log, path)
    const { damage } = await patient.scrub()
    const canBe = !path.includes('entries')
    assert.deepEqual(
      damage.map((one) => one.path),
      canBe ? [] : [path],
    )
    assert.equal(patient.alarms.splice(0).length, canBe ? 2 : 1)
    if (!canBe) await flip(patient.log, path)
    await patient.scrub()
    patient.alarms.splice(0)
  }
})

test('damage that stays is told once, also across restarts, and is over when the file is whole again', async () => {
  await using patient = await openPatient(700)
  await flip(patient.log, 'tile/entries/001')
  for (let nth = 0; nth < 3; nth++) {
    const { damage } = await patient.scrub()
    assert.deepEqual(
      damage.map(({ path, recorded }) => [path, recorded]),
      [['tile/entries/001', true]],
    )
  }
  assert.equal(patient.alarms.length, 1)
  await flip(patient.log, 'tile/entries/001')
  assert.deepEqual((await patient.scrub()).damage, [])
  assert.deepEqual(patient.alarms[1], {
    what: 'tile_damaged',
    raised: false,
    about: 'tile/entries/001',
    detail: 'it was found whole again',
  })
})

test('a missing, a truncated and a grown file are damage too', async () => {
  await using patient = await openPatient(700)
  await unlink(join(patient.log.folder, 'tile/entries/000'))
  await truncate(join(patient.log.folder, 'tile/entries/001'), 100)
  await writeFile(join(patient.log.folder, 'tile/0/001'), Buffer.alloc(9000))
  const { damage } = await patient.scrub()
  assert.deepEqual(
    damage.map(({ path, detail }) => [path, detail.slice(0, 40)]),
    [
      ['tile/entries/000', 'it is missing'],
      ['tile/0/001', `could not read ${join(patient.log.folder, 'tile/0/001')}`.slice(0, 40)],
    ],
  )
  assert.ok(patient.events.some((event) => event.kind === 'unchecked'))
})

test('an alarm that cannot be put on record is tried again', async () => {
  await using patient = await openPatient(700)
  await flip(patient.log, 'tile/entries/001')
  const away = async (): Promise<never> => Promise.reject(new Error('the ledger is away'))
  const { damage } = await patient.scrub({ record: away })
  assert.deepEqual(
    damage.map(({ recorded }) => recorded),
    [false],
  )
  assert.ok(patient.events.some((event) => event.kind === 'unrecorded'))
  assert.deepEqual(
    (await patient.scrub()).damage.map(({ recorded }) => recorded),
    [true],
  )
  assert.equal(patient.alarms.length, 1)
})

test('a mirror that lies or is away is no help, and does no harm', async () => {
  await using patient = await openPatient(700)
  await using liar = await openLogFolder()
  await liar.publish(entriesOf(0, 700, 'other'))
  await flip(patient.log, 'tile/entries/001')
  const mirrors = [await openLogSource('http://127.0.0.1:1/'), await openLogSource(liar.folder)]
  const { damage } = await patient.scrub({ mirrors })
  assert.deepEqual(
    damage.map(({ path }) => path),
    ['tile/entries/001'],
  )
  // Another mirror comes to hand.
  await using mirror = await openLogFolder()
  await mirror.publish(entriesOf(0, 700))
  const later = await patient.scrub({ mirrors: [...mirrors, await openLogSource(mirror.folder)] })
  assert.deepEqual(later.damage, [])
})

test('a scrubber that is stopped goes on where it was', async () => {
  await using patient = await openPatient(256 * 100)
  const stop = new AbortController()
  const groups: number[] = []
  const checkAddenda: ScrubOptions['checkAddenda'] = async (group) => {
    groups.push(group)
    if (group === 40) stop.abort()
    return { path: `addenda/${group}`, bytes: 0 }
  }
  await patient.scrub({ checkAddenda, signal: stop.signal })
  const { passes } = await patient.scrub({ checkAddenda })
  assert.equal(passes, 1)
  assert.deepEqual(
    groups.slice(0, 41),
    Array.from({ length: 41 }, (_, nth) => nth),
  )
  assert.deepEqual(
    groups.slice(41),
    Array.from({ length: 60 }, (_, nth) => nth + 40),
  )
})

test('damaged addenda are told as such, and are over when they are whole', async () => {
  await using patient = await openPatient(700)
  const check =
    (problem?: string): ScrubOptions['checkAddenda'] =>
    async (group) => ({
      path: `addenda/00${group}.pack`,
      bytes: 10,
      ...(group === 1 ? { problem } : {}),
    })
  const { damage } = await patient.scrub({ checkAddenda: check('addendum 0 of record 300') })
  assert.deepEqual(
    damage.map(({ path, what }) => [path, what]),
    [['addenda/001.pack', 'addenda_damaged']],
  )
  await patient.scrub({ checkAddenda: check() })
  assert.deepEqual(
    patient.alarms.map(({ what, raised, detail }) => [what, raised, detail]),
    [
      ['addenda_damaged', true, 'addendum 0 of record 300'],
      ['addenda_damaged', false, 'it was found whole again'],
    ],
  )
})

test('a log that grows while it is read is not taken for damaged, however fast', async () => {
  for (const [growths, passes] of [
    [2, 1],
    [100, 0],
  ] as const) {
    await using patient = await openPatient(300)
    let grown = 0
    const source = {
      ...patient.log.log.source,
      async read(path: string, bytesMax?: number) {
        const bytes = await patient.log.log.source.read(path, bytesMax)
        if (path !== 'checkpoint' || grown >= growths) return bytes
        // Partial tiles of the checkpoint that was just read go, as a publisher's do.
        await removePartials(patient.log)
        await patient.log.publish(entriesOf(300 + grown * 40, 340 + grown * 40))
        grown += 1
        return bytes
      },
    }
    const state = await patient.scrub({ log: { ...patient.log.log, source } })
    assert.deepEqual([patient.alarms, state.damage, state.passes], [[], [], passes])
  }
})

async function removePartials(log: LogFolder): Promise<void> {
  const names = await readdir(join(log.folder, 'tile'), { recursive: true })
  for (const name of names.filter((one) => one.endsWith('.p')))
    await rm(join(log.folder, 'tile', name), { recursive: true })
}

test('a checkpoint that nobody signed is an alarm, and nothing else is judged by it', async () => {
  await using patient = await openPatient(300)
  await flip(patient.log, 'checkpoint')
  const { damage } = await patient.scrub()
  assert.deepEqual(
    damage.map(({ path }) => path),
    ['checkpoint'],
  )
  await flip(patient.log, 'checkpoint')
  assert.deepEqual((await patient.scrub()).damage, [])
})

test('state that cannot be read costs a pass and no more; state that cannot be written stops it', async () => {
  await using patient = await openPatient(300)
  await using folder = await openPatient(1)
  const statePath = join(folder.log.folder, 'state.json')
  await writeFile(statePath, '{"version":1,"cursor":"x"')
  assert.equal((await patient.scrub({ statePath })).passes, 1)
  await assert.rejects(
    patient.scrub({ statePath: join(folder.log.folder, 'nowhere/state.json') }),
    ({ code }: FollowError) => code === 'FOLLOW_STORE',
  )
})

test('no more is read in a second than may be', async () => {
  let nowMs = 0
  const pace = new Pace(1000, {
    nowMs: () => nowMs,
    wait: async (ms) => void (nowMs += ms),
  })
  for (let nth = 0; nth < 100; nth++) await pace.spend(500)
  assert.equal(nowMs, 50_000)
  nowMs += 1_000_000
  await pace.spend(1000)
  assert.equal(nowMs, 1_051_000, 'a pause is not saved up')
})
