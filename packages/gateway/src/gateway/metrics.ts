/** Prometheus metrics of the gateway. Labels come from closed sets: configured names and reason codes, never from a request. */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import type { Summary } from '../journey.ts'
import type { LedgerStatus } from '../ledger.ts'
import { openWitnessMetrics } from './witness-metrics.ts'

export interface Metrics {
  finished(summary: Summary): void
  malformed(direction: string, defect: string): void
  /** Prometheus text exposition. */
  expose(): Promise<{ type: string; text: string }>
  /** Counters for the heartbeat record. */
  totals(): Readonly<Record<string, number>>
}

/** Values read at the moment of a scrape. */
export interface Gauges {
  readonly ledgerUp: () => boolean
  readonly waitingRecords: () => number
  readonly lostRecords: () => number
  readonly openIntents: () => number
  /** Null without witnesses, and while the ledger is away. */
  readonly witnesses: () => Promise<LedgerStatus['witnesses']>
}

const secondsBuckets = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
]
const nsPerSecond = 1e9

interface Bound {
  readonly requests: Counter.Internal
  readonly duration: Histogram.Internal<string>
}

export function openMetrics(gauges: Gauges): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const requests = new Counter({
    name: 'countersign_requests_total',
    help: 'Requests that walked the journey, by what was decided.',
    labelNames: ['direction', 'service', 'decision', 'reason', 'outcome'],
    registers: [registry],
  })
  const duration = new Histogram({
    name: 'countersign_request_duration_seconds',
    help: 'From the first byte of the head to the last byte of the answer.',
    labelNames: ['direction', 'service'],
    buckets: secondsBuckets,
    registers: [registry],
  })
  const malformed = new Counter({
    name: 'countersign_malformed_requests_total',
    help: 'Requests that could not be understood, by defect.',
    labelNames: ['direction', 'defect'],
    registers: [registry],
  })
  registerGauges(registry, gauges)
  const witnessMetrics = openWitnessMetrics(registry)

  // prom-client hashes its labels on each call: bound children are looked up by one string instead.
  const bound = new Map<string, Bound>()
  const totals: Record<string, number> = { requests: 0, denied: 0, errors: 0, malformed: 0 }
  const add = (name: string): void => {
    totals[name] = (totals[name] ?? 0) + 1
  }
  return {
    finished(summary) {
      const { direction } = summary.captured
      const decision = summary.held?.observed.overruled ?? summary.decision
      const service = decision.service ?? 'none'
      const outcome = summary.failure ?? summary.held?.observed.outcome ?? 'error'
      add('requests')
      if (outcome === 'denied') add('denied')
      if (outcome === 'error' || summary.failure !== undefined) add('errors')
      const key = `${direction}|${service}|${decision.reason}|${outcome}`
      let child = bound.get(key)
      if (child === undefined) {
        const verdict = decision.allowed ? 'allowed' : 'denied'
        child = {
          requests: requests.labels(direction, service, verdict, decision.reason, outcome),
          duration: duration.labels(direction, service),
        }
        bound.set(key, child)
      }
      child.requests.inc()
      child.duration.observe((summary.held?.observed.durationNs ?? 0) / nsPerSecond)
    },
    malformed(direction, defect) {
      add('malformed')
      malformed.labels(direction, defect).inc()
    },
    async expose() {
      witnessMetrics.show(await gauges.witnesses())
      return { type: registry.contentType, text: await registry.metrics() }
    },
    totals: () => ({ ...totals }),
  }
}

function registerGauges(registry: Registry, gauges: Gauges): void {
  const define = (name: string, help: string, read: () => number): void => {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers: [registry],
      collect: () => gauge.set(read()),
    })
  }
  define('countersign_ledger_up', '1 while the ledger answers.', () => (gauges.ledgerUp() ? 1 : 0))
  define(
    'countersign_records_waiting',
    'Records handed over and not yet durable.',
    gauges.waitingRecords,
  )
  define(
    'countersign_records_lost',
    'Records that could not even be queued; each is part of a gap record.',
    gauges.lostRecords,
  )
  define('countersign_intents_open', 'Intents on record whose outcome is not.', gauges.openIntents)
}
