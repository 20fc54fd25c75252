/** What happens when processes die, disks fail and folders are swapped: real processes, real signals, real file systems. */
import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { cp, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { decodeEntry } from '@countersign/record/decode'
import { checkLedger, connectLedger, createLog, LedgerError, runLedger } from '../ledger.ts'
import type { Ledger } from '../ledger.ts'
import { systemClock } from '../platform.ts'
import { runSigner } from '../witness.ts'
import { layoutOf } from './layout.ts'
import { makeDraft, makeLog, ORIGIN, startProcess } from './testing/setup.ts'
import type { TestLog } from './testing/setup.ts'

function socketOf(log: TestLog): string {
  return layoutOf(log.dataDir).socket
}

/** A client, and a way to wait for the next time it is up again. */
async function follow(log: TestLog): Promise<{ client: Ledger; nextUp: () => Promise<void> }> {
  let ups: (() => void)[] = []
  const onUp = (): void => {
    for (const up of ups) up()
    ups = []
  }
  const client = log.own(
    await connectLedger({
      socketPath: socketOf(log),
      clock: systemClock,
      onUp,
      reconnectMsMax: 20,
    }),
  )
  const nextUp = async (): Promise<void> => new Promise((resolve) => ups.push(resolve))
  return { client, nextUp }
}

test('every draft is on record exactly once, in order, however often the ledger is killed', async () => {
  await using log = await makeLog({ checkpointIntervalMs: 20 })
  log.own(await startProcess('signer', log.signer))
  let ledger = log.own(await startProcess('ledger', log.ledger))
  const { client, nextUp } = await follow(log)
  const acknowledged = new Map<number, string>()
  let [accepted, unavailable] = [0, 0]
  const load = async (): Promise<void> => {
    const draft = makeDraft({ bytes: 300, content: Buffer.from(`content ${accepted}`) })
    accepted += 1
    try {
      const { leafIndex } = await client.append(draft)
      acknowledged.set(leafIndex, draft.leaf.id)
    } catch (error) {
      ok(
        error instanceof LedgerError && error.code === 'LEDGER_UNAVAILABLE' && error.kept,
        String(error),
      )
      unavailable += 1
    }
  }
  for (let round = 0; round < 6; round++) {
    // Killed in the middle of a stream of groups: after the third answer of each round.
    const first = Array.from({ length: 200 }, load)
    await Promise.race(first)
    const second = Array.from({ length: 400 }, load)
    await first[199]
    const up = nextUp()
    await ledger.kill()
    await Promise.all([...first, ...second])
    // Nobody may wait now, and nothing is forgotten.
    await load()
    equal(client.up, false)
    ledger = log.own(await startProcess('ledger', log.ledger))
    await up
  }
  await client.publish()
  await client.close()
  ledger.child.kill('SIGTERM')
  equal((await ledger.exited).code, 0)
  const checked = await checkLedger(log.dataDir, { vkey: log.vkey })
  equal(checked.sessions.get(client.session), accepted)
  equal(acknowledged.size + unavailable, accepted)
  ok(unavailable >= 6)
  for (const [index, id] of acknowledged)
    equal(decodeEntry(checked.entries[index] ?? new Uint8Array(0)).leaf.id, id)
})

test('while the signer is dead records stay durable, and its next start signs them', async () => {
  await using log = await makeLog({ checkpointIntervalMs: 10 })
  const signer = log.own(await startProcess('signer', log.signer))
  const ledger = log.own(await runLedger(log.ledger))
  const { client } = await follow(log)
  await client.append(makeDraft(), { level: 'D1' })
  await signer.kill()
  const { leafIndex } = await client.append(makeDraft())
  await rejects(client.append(makeDraft(), { level: 'D1' }), { code: 'SIGNER_UNAVAILABLE' })
  await rejects(client.prove(leafIndex), { code: 'SIGNER_UNAVAILABLE' })
  // A round that began before the signer died may still end well, and say so: this one began after.
  await rejects(client.publish(), { code: 'SIGNER_UNAVAILABLE' })
  match((await client.status()).lastError ?? '', /could not reach the signer/)
  log.own(await startProcess('signer', log.signer))
  ok(await client.prove(leafIndex))
  await client.publish()
  equal((await client.status()).lastError, null)
  await client.close()
  await ledger.close()
  equal((await checkLedger(log.dataDir, { vkey: log.vkey })).sessions.get(client.session), 3)
})

test('a signature whose answer or publication was lost is taken up from what the signer says', async () => {
  await using log = await makeLog({ checkpointIntervalMs: 60_000 })
  log.own(await runSigner(log.signer))
  const first = log.own(await startProcess('ledger', log.ledger))
  const { client } = await follow(log)
  const copy = join(log.folder, 'copy')
  await client.publish()
  await cp(join(log.dataDir, 'log'), copy, { recursive: true })
  await client.append(makeDraft(), { level: 'D1' })
  await client.publish()
  await first.kill()
  // Failed but landed: the signer signed more than this folder ever heard of, and less than it can prove.
  await rm(join(log.dataDir, 'log'), { recursive: true })
  await cp(copy, join(log.dataDir, 'log'), { recursive: true })
  const again = log.own(await runLedger(log.ledger))
  await client.close().catch(() => undefined)
  await again.close()
  const checked = await checkLedger(log.dataDir, { vkey: log.vkey })
  deepEqual([checked.durable, checked.published], [4, 4])
})

test('one folder has one writer, and a killed one leaves it free', async () => {
  await using log = await makeLog()
  log.own(await runSigner(log.signer))
  const first = log.own(await startProcess('ledger', log.ledger))
  await rejects(runLedger(log.ledger), { code: 'LEDGER_IN_USE' })
  await rejects(startProcess('ledger', log.ledger), /LEDGER_IN_USE/)
  await first.kill()
  const ledger = log.own(await runLedger(log.ledger))
  await rejects(runLedger(log.ledger), { code: 'LEDGER_IN_USE' })
  await ledger.close()
  await checkLedger(log.dataDir, { vkey: log.vkey })
})

test('a log is created once, and opened only where one was created', async () => {
  await using log = await makeLog()
  await rejects(createLog({ dataDir: log.dataDir, origin: ORIGIN }), { code: 'LEDGER_EXISTS' })
  const empty = { ...log.ledger, dataDir: join(log.folder, 'empty') }
  await rejects(runLedger(empty), (error) => {
    ok(error instanceof LedgerError && error.code === 'LEDGER_MISSING')
    match(error.hint ?? '', /countersign init/)
    return true
  })
  await rejects(runLedger({ ...log.ledger, origin: 'other.example.com' }), {
    code: 'LEDGER_MISSING',
  })
})

async function fill(log: TestLog, count: number): Promise<void> {
  const ledger = await runLedger(log.ledger)
  const client = await connectLedger({ socketPath: ledger.socketPath, clock: systemClock })
  await Promise.all(
    Array.from({ length: count }, async () =>
      client.append(makeDraft({ content: Buffer.from('x') })),
    ),
  )
  await client.close()
  await ledger.close()
}

test('a folder restored from an older copy is refused: the signer remembers', async () => {
  await using log = await makeLog()
  log.own(await runSigner(log.signer))
  await fill(log, 20)
  const copy = join(log.folder, 'copy')
  await cp(log.dataDir, copy, { recursive: true })
  await fill(log, 30)
  await rm(log.dataDir, { recursive: true })
  await cp(copy, log.dataDir, { recursive: true })
  const split = new Promise<LedgerError>((resolve) => {
    void runLedger({ ...log.ledger, onFatal: resolve }).then((ledger) => log.own(ledger))
  })
  const error = await split
  equal(error.code, 'LEDGER_SPLIT')
  match(error.message, /54 records were signed, and only 23 are durable here/)
})

test('records other than those that were signed are refused: the signer has another root', async () => {
  await using log = await makeLog()
  log.own(await runSigner(log.signer))
  await fill(log, 20)
  const copy = join(log.folder, 'copy')
  await cp(log.dataDir, copy, { recursive: true })
  await fill(log, 1)
  await rm(log.dataDir, { recursive: true })
  await cp(copy, log.dataDir, { recursive: true })
  await writeAway(log, 10)
  const error = await new Promise<LedgerError>((resolve) => {
    void runLedger({ ...log.ledger, onFatal: resolve }).then((ledger) => log.own(ledger))
  })
  equal(error.code, 'LEDGER_SPLIT')
  match(error.message, /another history/)
})

/** Appends records while no signer can be reached. */
async function writeAway(log: TestLog, count: number): Promise<void> {
  const options = { ...log.ledger, signerSocket: join(log.folder, 'nobody.sock') }
  const ledger = await runLedger(options)
  const client = await connectLedger({ socketPath: ledger.socketPath, clock: systemClock })
  await Promise.all(Array.from({ length: count }, async () => client.append(makeDraft())))
  await client.close()
  await ledger.close()
}

test('a write-ahead log that lost its tail is refused before anything is changed', async () => {
  await using log = await makeLog()
  log.own(await runSigner(log.signer))
  await fill(log, 20)
  const { wal } = layoutOf(log.dataDir)
  const segment = join(wal, readdirSync(wal).toSorted()[0] ?? '')
  const whole = readFileSync(segment)
  writeFileSync(segment, Buffer.from(whole).fill(0, 2000))
  await rejects(runLedger(log.ledger), {
    code: 'LEDGER_SPLIT',
    message: /ends at record \d+, and 22 records are signed and published/,
  })
  await rm(wal, { recursive: true })
  await mkdir(wal)
  await rejects(runLedger(log.ledger), { code: 'LEDGER_SPLIT', message: /holds no segment/ })
})

test('damage to what recovery reads from the log folder stops it', async () => {
  await using log = await makeLog()
  log.own(await runSigner(log.signer))
  await fill(log, 20)
  const layout = layoutOf(log.dataDir)
  for (const path of ['checkpoint', 'tile/0/000.p/22', 'tile/0/000.p/23']) {
    const file = join(layout.log, path)
    if (!readdirSync(join(file, '..')).includes(path.split('/').at(-1) ?? '')) continue
    const whole = readFileSync(file)
    const damaged = Buffer.from(whole)
    damaged[40] = (damaged[40] ?? 0) ^ 1
    writeFileSync(file, damaged)
    await rejects(
      runLedger(log.ledger),
      (error) => error instanceof LedgerError && error.code === 'LEDGER_CORRUPT',
      path,
    )
    truncateSync(file, 20)
    await rejects(runLedger(log.ledger), { code: 'LEDGER_CORRUPT' })
    writeFileSync(file, whole)
  }
  await fill(log, 1)
  await checkLedger(log.dataDir, { vkey: log.vkey })
})

test('a ledger whose disk is full when a segment is needed stops, and loses nothing acknowledged', async (t) => {
  await using log = await makeLog({ segmentBytes: 1024 * 1024 })
  const { wal } = layoutOf(log.dataDir)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2560k', 'tmpfs', wal], { stdio: 'ignore' })
  } catch {
    t.skip('mounting a small tmpfs needs root')
    return
  }
  try {
    const signer = log.own(await runSigner(log.signer))
    const ledger = log.own(
      await startProcess('ledger', {
        ...log.ledger,
        signerSocket: join(log.folder, 'nobody.sock'),
      }),
    )
    const client = log.own(
      await connectLedger({ socketPath: socketOf(log), clock: systemClock, appendTimeoutMs: 500 }),
    )
    const acknowledged: number[] = []
    const content = Buffer.alloc(100_000, 1)
    for (;;) {
      try {
        acknowledged.push((await client.append(makeDraft({ content }))).leafIndex)
      } catch {
        break
      }
    }
    const { code, stderr } = await ledger.exited
    equal(code, 2, stderr)
    match(stderr, /countersign: error: could not make the next segment/)
    execFileSync('mount', ['-o', 'remount,size=64m', wal])
    const again = log.own(await runLedger(log.ledger))
    ok(again.recovered.size > (acknowledged.at(-1) ?? 0))
    await client.close()
    await again.close()
    await signer.close()
    const checked = await checkLedger(log.dataDir, { vkey: log.vkey })
    equal(checked.sessions.get(client.session), acknowledged.length + 1)
  } finally {
    execFileSync('umount', ['-l', wal])
  }
})

test('an error of fdatasync ends the process at once, and the next start knows more than was acknowledged, never less', async (t) => {
  await using log = await makeLog()
  log.own(await runSigner(log.signer))
  try {
    execFileSync('strace', ['-V'], { stdio: 'ignore' })
  } catch {
    t.skip('strace is not installed')
    return
  }
  const strace = [
    'strace',
    '-f',
    '-qq',
    '-o',
    '/dev/null',
    '-e',
    'trace=fdatasync',
    '-e',
    'inject=fdatasync:error=EIO:when=6+',
  ]
  const ledger = log.own(await startProcess('ledger', log.ledger, strace))
  const client = log.own(
    await connectLedger({ socketPath: socketOf(log), clock: systemClock, reconnectMsMax: 20 }),
  )
  let acknowledged = 0
  let accepted = 0
  for (;;) {
    try {
      accepted += 1
      await client.append(makeDraft())
      acknowledged += 1
    } catch {
      break
    }
  }
  const { code, stderr } = await ledger.exited
  equal(code, 2)
  match(stderr, /could not commit: .*\.wal, byte \d+/)
  const again = log.own(await runLedger(log.ledger))
  ok(again.recovered.size >= acknowledged)
  await client.close()
  await again.close()
  const checked = await checkLedger(log.dataDir, { vkey: log.vkey })
  equal(checked.sessions.get(client.session), accepted)
})

test('a publication that stopped at any step is taken up without doubles', async () => {
  await using log = await makeLog({ checkpointIntervalMs: 60_000 })
  log.own(await runSigner(log.signer))
  await fill(log, 300)
  await writeAway(log, 520)
  const before = join(log.folder, 'before')
  await cp(log.dataDir, before, { recursive: true })
  const ledger = await runLedger(log.ledger)
  await ledger.close()
  const after = join(log.folder, 'after')
  await cp(log.dataDir, after, { recursive: true })
  const checked = await checkLedger(after, { vkey: log.vkey })
  // Each file of the publication alone (failed but landed), then all of them without the checkpoint.
  const files = filesOf(after).filter((path) => /^(log\/tile|addenda)/.test(path))
  const news = files.filter(
    (path) =>
      !filesOf(before).includes(path) ||
      statSync(join(before, path)).size !== statSync(join(after, path)).size,
  )
  ok(news.length >= 6, news.join(' '))
  const states = [[], ...news.map((path) => [path]), news]
  for (const landed of states) {
    const state = join(log.folder, 'state')
    await cp(before, state, { recursive: true })
    // The signer had signed the new tree; its records are in the write-ahead log of both.
    await rm(join(state, 'wal'), { recursive: true })
    await cp(join(after, 'wal'), join(state, 'wal'), { recursive: true })
    for (const path of landed) await cp(join(after, path), join(state, path), { recursive: true })
    const pack = landed.find((path) => path.endsWith('.pack'))
    // A pack is appended to: it may also have stopped in the middle of a record.
    if (pack !== undefined) truncateSync(join(state, pack), statSync(join(state, pack)).size - 5)
    const again = await checkedStart(log, state)
    equal(again, checked.durable, landed.join(' '))
    await rm(state, { recursive: true })
  }
})

/** Recovers and publishes a copy of the folder with a signer state of its own, and returns how many records there were. */
async function checkedStart(log: TestLog, dataDir: string): Promise<number> {
  const signerDir = join(log.folder, 'signer-copy')
  await cp(log.signer.stateDir, signerDir, { recursive: true })
  const signer = await runSigner({
    ...log.signer,
    stateDir: signerDir,
    socketPath: join(log.folder, 'copy.sock'),
  })
  const ledger = await runLedger({ ...log.ledger, dataDir, signerSocket: signer.socketPath })
  await ledger.close()
  await signer.close()
  await rm(signerDir, { recursive: true })
  const { durable, published } = await checkLedger(dataDir, { vkey: log.vkey })
  equal(published, durable)
  return ledger.recovered.size
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .map((file) => join(file.parentPath, file.name).slice(folder.length + 1))
}

test('superseded partial tiles go after the next publication, and memory of the past stays on disk', async () => {
  await using log = await makeLog({ checkpointIntervalMs: 60_000 })
  log.own(await runSigner(log.signer))
  const ledger = log.own(await runLedger(log.ledger))
  const { client } = await follow(log)
  const widths: string[][] = []
  for (let n = 0; n < 4; n++) {
    await client.append(makeDraft())
    await client.publish()
    widths.push(readdirSync(join(log.dataDir, 'log', 'tile', '0', '000.p')).toSorted())
  }
  const sizes = widths.map((names) => names.length)
  deepEqual(sizes.slice(1), [2, 2, 2])
  await client.close()
  await ledger.close()
  await checkLedger(log.dataDir, { vkey: log.vkey })
})
