import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeDraft } from '@countersign/record/encode'
import type { Lifecycle, UnstampedLeaf } from '@countersign/record/leaf'
import fc from 'fast-check'
import { sha256 } from '../cryptography.ts'
import { unfinished } from './unfinished.ts'

const session = '01990000-0000-7000-8000-000000000000'
const idOf = (number: number): string =>
  `01990000-0000-7000-8000-${number.toString(16).padStart(12, '0')}`

/** A log in memory: what a gateway would have written, as exact bytes. */
class Written {
  readonly entries: Uint8Array[] = []
  readonly open = new Map<string, number>()
  #next = 1

  #write(leaf: Partial<UnstampedLeaf> & { id: string; phase: UnstampedLeaf['phase'] }): number {
    const whole = { v: 1, class: 'lifecycle', action: 'test', time: { occurred: '1' }, ...leaf }
    const stamp = { session, seq: this.entries.length }
    const draft = { leaf: whole as UnstampedLeaf, addenda: [] }
    this.entries.push(encodeDraft(draft, stamp, sha256).entry)
    return this.entries.length - 1
  }
  intent(kind: 'http.server' | 'read' = 'http.server'): string {
    const id = idOf(this.#next++)
    this.open.set(id, this.#write({ id, phase: 'intent', class: kind }))
    return id
  }
  outcome(id: string): void {
    this.#write({ id, phase: 'outcome', outcome: 'success' })
    this.open.delete(id)
  }
  fact(lifecycle: Lifecycle): void {
    this.#write({ id: idOf(this.#next++), phase: 'single', lifecycle })
  }
  boot(component: 'gateway' | 'reader' = 'gateway'): void {
    const clock = { source: 'test', offset_ns: 0 }
    this.fact({ kind: 'boot', component, version: '0', binary: '00', clock })
  }
  /** A heartbeat built when only `acknowledged` intents were known to be durable. */
  heartbeat(acknowledged: readonly number[], component?: 'reader'): void {
    const oldest = {
      ...(acknowledged.length === 0 ? {} : { open_from: Math.min(...acknowledged) }),
      ...(component === undefined ? {} : { component }),
    }
    const clock = { source: 'test', offset_ns: 0 }
    this.fact({ kind: 'heartbeat', counters: {}, clock, ...oldest, open: acknowledged.length })
  }
  read = {
    /** Answers at most 700 at a time: a reader must ask again. */
    entries: (from: number, count: number): Promise<Uint8Array[]> =>
      Promise.resolve(this.entries.slice(from, from + Math.min(count, 700))),
  }
}

test('an empty log has nothing unfinished', async () => {
  assert.deepEqual(await unfinished(new Written().read, 0), [])
})

test('every intent a crash left without outcome is found, and no other', async () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.constant('intent' as const) },
    { weight: 5, arbitrary: fc.constant('outcome' as const) },
    { weight: 1, arbitrary: fc.constant('heartbeat' as const) },
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 300 }),
      fc.infiniteStream(fc.nat()),
      async (steps, choices) => {
        const log = new Written()
        log.boot()
        // What was acknowledged when the heartbeat before was durable is known to the next one; later ones may be.
        let known = new Set<string>()
        for (const kind of steps) {
          const choice = choices.next().value ?? 0
          if (kind === 'intent') log.intent()
          else if (kind === 'outcome') {
            const ids = [...log.open.keys()]
            const id = ids[choice % ids.length]
            if (id !== undefined) log.outcome(id)
          } else {
            log.heartbeat([...log.open].filter(([id]) => known.has(id)).map(([, index]) => index))
            known = new Set(log.open.keys())
          }
        }
        const found = await unfinished(log.read, log.entries.length)
        assert.deepEqual(
          found.map((leaf) => leaf.id),
          [...log.open.keys()],
        )
      },
    ),
    { numRuns: 200 },
  )
})

test('a boot closes what its own kind left open, and nothing of a living neighbour', async () => {
  const log = new Written()
  log.boot()
  log.boot('reader')
  const watched = log.intent('read')
  const asked = log.intent()
  log.heartbeat([])
  log.heartbeat([])
  log.heartbeat([2], 'reader')
  log.heartbeat([2], 'reader')
  log.heartbeat([3])
  const size = log.entries.length
  const found = async (component: 'gateway' | 'reader'): Promise<string[]> =>
    (await unfinished(log.read, size, component)).map(({ id }) => id)
  assert.deepEqual(await found('gateway'), [asked])
  assert.deepEqual(await found('reader'), [watched])
})

test('a long log is read from its tail only', async () => {
  const log = new Written()
  log.boot()
  for (let at = 0; at < 5000; at += 1) log.outcome(log.intent())
  log.heartbeat([])
  log.outcome(log.intent())
  log.heartbeat([])
  const left = log.intent()
  let lowest = Number.POSITIVE_INFINITY
  const watched = {
    entries: (from: number, count: number): Promise<Uint8Array[]> => {
      lowest = Math.min(lowest, from)
      return log.read.entries(from, count)
    },
  }
  const found = await unfinished(watched, log.entries.length)
  assert.deepEqual(
    found.map((leaf) => leaf.id),
    [left],
  )
  assert.ok(lowest > 8000, `read from ${lowest}`)
})
