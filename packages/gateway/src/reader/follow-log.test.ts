import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { encodeDraft } from '@countersign/record/encode'
import type { UnstampedLeaf } from '@countersign/record/leaf'
import { publishedAddenda } from '../contents.ts'
import { sha256 } from '../cryptography.ts'
import { entryOf, idAt, openLogFolder } from '../follow/testing/log-folder.ts'
import { systemClock } from '../platform.ts'
import { openAnswers, openEmbeddedEngine, openIndex, parseQuestion } from '../search.ts'
import { LogFollower } from './follow-log.ts'
import type { FollowAlarm } from './follow-log.ts'
import { letGo } from './let-go.ts'
import { pause } from './pause.ts'

const everything = { question: parseQuestion('class:http.server', 0n), limit: 100 }
const everybody = { scope: { kind: 'all' }, unmasked: true } as const
const transaction = (n: number): Uint8Array[] => [
  entryOf(idAt(1_800_000_000_000 + n), 'intent', 2 * n),
  entryOf(idAt(1_800_000_000_000 + n), 'outcome', 2 * n + 1),
]

/** The record that lets go of all that is kept to before a day. */
function retention(today: string, seq: number): Uint8Array {
  const leaf: UnstampedLeaf = {
    v: 1,
    id: idAt(1_800_000_900_000),
    class: 'lifecycle',
    action: 'lifecycle.retention',
    phase: 'single',
    outcome: 'success',
    time: { occurred: '1800000000000000000' },
    lifecycle: {
      kind: 'retention',
      today,
      periods: [],
      kept: [],
      addenda: 0,
      rules: '0'.repeat(64),
      by: 'test',
    },
  }
  const session = '01900000-0000-7000-8000-000000000000'
  return encodeDraft({ leaf, addenda: [] }, { session, seq }, sha256).entry
}

test('a log is followed into the index, a retention on record lets go of the rows before it, and damage is told once', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-reader-'))
  await using published = await openLogFolder()
  const index = await openIndex({
    engine: await openEmbeddedEngine(join(folder, 'index')),
    answers: (engine) => openAnswers(engine, { clock: systemClock }),
  })
  const { log, key } = published
  let isDamaged = false
  const source = {
    name: log.source.name,
    changed: (signal: AbortSignal) => log.source.changed(signal),
    close: () => log.source.close(),
    async read(path: string, bytesMax?: number) {
      const bytes = await log.source.read(path, bytesMax)
      return isDamaged && path.startsWith('tile/entries') ? bytes?.fill(0) : bytes
    },
  }
  const stop = new AbortController()
  const alarms: FollowAlarm[] = []
  const indexed = openSteps()
  const pauses = openSteps()
  const follower = new LogFollower({
    log: {
      ...log,
      source,
      origin: key.name,
      addenda: publishedAddenda(source),
      isOwn: true,
      close: () => undefined,
    },
    index,
    dropAfterOf: () => '2026-01-01',
    // By the next turn what was written counts.
    onIndexed: () => setImmediate(() => indexed.step()),
    onRetention: (leaf, origin) => letGo(leaf, origin, index),
    alarm: (alarm) => alarms.push(alarm),
    clock: systemClock,
    signal: stop.signal,
    pause: async (ms, signal) => {
      pauses.step()
      await pause(Math.min(ms, 20), signal)
    },
  })
  await published.publish([...transaction(0), ...transaction(1)])
  const running = follower.run()
  const found = async (): Promise<number> =>
    (await index.search(everything, everybody)).transactions.length
  const until = async (count: number, next: number): Promise<void> => {
    while (follower.progress().next < next) await indexed.next()
    assert.equal(await found(), count)
  }
  try {
    await until(2, 4)
    await published.publish([retention('2026-01-02', 4), ...transaction(3)])
    await until(1, 7)
    assert.equal(follower.progress().lagMs, 0)

    isDamaged = true
    await published.publish(transaction(4))
    await pauses.next()
    await pauses.next()
    assert.match(follower.progress().problem ?? '', /could not verify/)
    assert.equal(await found(), 1)
    isDamaged = false
    await until(2, 9)
    assert.deepEqual(
      alarms.map(({ what, raised, about }) => [what, raised, about]),
      [
        ['log_unverified', true, key.name],
        ['log_unverified', false, key.name],
      ],
    )
  } finally {
    stop.abort()
    await running
    await index.close()
    await rm(folder, { recursive: true, force: true })
  }
})

/** Something that happens again and again, to wait for. */
function openSteps(): { step(): void; next(): Promise<void> } {
  let waiting = Promise.withResolvers<void>()
  return {
    step() {
      waiting.resolve()
      waiting = Promise.withResolvers()
    },
    next: () => waiting.promise,
  }
}
