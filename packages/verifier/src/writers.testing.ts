/** Writers of a log for tests: sessions that boot, count, lose records and end, or do not. */
import { encodeDraft } from '@countersign/record/encode'
import { openIds } from '@countersign/record/id'
import type { Component, Lifecycle, UnstampedLeaf } from '@countersign/record/leaf'

import { nodeCrypto } from './node-io.ts'

const START_MS = 1_800_000_000_000
const clock = { source: 'system', offset_ns: 0 }

/** A log as it is written, record by record; each one 100 ms after the one before. */
export class Pages {
  readonly entries: Uint8Array[] = []
  nowMs = START_MS
  readonly newId = openIds({ nowMs: () => this.nowMs })

  /** Nanoseconds since the epoch, as records hold them. */
  get nowNs(): string {
    return `${this.nowMs}000000`
  }
}

/** One session. `drop` makes the next record vanish before it reaches the log, though its writer counted it. */
export class Writer {
  readonly session: string
  readonly #pages: Pages
  readonly #component: Component
  readonly #counts = { records: 0, intents: 0, outcomes: 0 }
  #prev: string | undefined
  #lost = 0
  #dropped = false

  constructor(pages: Pages, component: Component = 'gateway') {
    this.#pages = pages
    this.#component = component
    this.session = pages.newId()
  }

  drop(): this {
    this.#dropped = true
    return this
  }

  boot(): this {
    const about = { version: '1', binary: 'b'.repeat(64), clock }
    return this.fact({ kind: 'boot', component: this.#component, ...about })
  }

  shutdown(): this {
    return this.fact({ kind: 'shutdown', component: this.#component })
  }

  heartbeat(counters: Record<string, number> = {}): this {
    const counted = { requests: 0, lost: this.#lost, ...this.#counts, ...counters }
    const whose = this.#component === 'reader' ? { component: 'reader' as const } : {}
    return this.fact({ kind: 'heartbeat', ...whose, counters: counted, clock, open: 0 })
  }

  /** As an older version wrote it. */
  plainHeartbeat(): this {
    return this.fact({ kind: 'heartbeat', counters: { requests: 0, lost: 0 }, clock, open: 0 })
  }

  lose(count: number): this {
    this.#lost += count
    return this
  }

  gap(count: number): this {
    const { nowNs } = this.#pages
    return this.fact({ kind: 'gap', from: nowNs, to: nowNs, count, why: 'LEDGER_FULL' })
  }

  fact(lifecycle: Lifecycle): this {
    const own = this.#component === 'ledger' ? 'ledger' : 'lifecycle'
    return this.#write({
      v: 1,
      id: this.#pages.newId(),
      class: own,
      action: `${own}.${lifecycle.kind}`,
      phase: 'single',
      outcome: 'success',
      time: { occurred: this.#pages.nowNs },
      lifecycle,
    })
  }

  /** @returns the id of the transaction */
  intent(): string {
    const id = this.#pages.newId()
    this.#write(requestLeaf(id, 'intent', this.#pages.nowNs))
    return id
  }

  outcome(id: string): this {
    return this.#write(requestLeaf(id, 'outcome', this.#pages.nowNs))
  }

  /** Whole transactions, one after the other. */
  requests(count: number): this {
    for (let nth = 0; nth < count; nth++) this.outcome(this.intent())
    return this
  }

  #write(leaf: UnstampedLeaf): this {
    const stamp = { session: this.session, seq: this.#counts.records }
    const { entry } = encodeDraft(
      { leaf, addenda: [] },
      this.#prev === undefined ? stamp : { ...stamp, prev: this.#prev },
      nodeCrypto.sha256,
    )
    this.#prev = leaf.id
    this.#counts.records += 1
    if (leaf.phase === 'intent') this.#counts.intents += 1
    if (leaf.phase === 'outcome') this.#counts.outcomes += 1
    if (!this.#dropped) this.#pages.entries.push(Uint8Array.from(entry))
    this.#dropped = false
    this.#pages.nowMs += 100
    return this
  }
}

function requestLeaf(id: string, phase: 'intent' | 'outcome', occurred: string): UnstampedLeaf {
  const common = { v: 1, id, class: 'http.server', action: 'orders.read' } as const
  return phase === 'intent'
    ? { ...common, phase, time: { occurred } }
    : { ...common, phase, outcome: 'success', time: { occurred, observed: occurred } }
}
