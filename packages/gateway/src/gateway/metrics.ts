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

/** Requests of one service that ended alike, and what of them prom-client has not been told yet. */
interface Tally {
  readonly direction: string
  readonly verdict: 'allowed' | 'denied'
  readonly reason: string
  readonly outcome: string
  readonly requests: Counter.Internal
  readonly duration: Histogram.Internal<string>
  readonly seconds: number[]
}

/** prom-client is told of so many requests at once, and of all before it is asked. */
const tallyMax = 256

export function openMetrics(gauges: Gauges): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const tallies = openTallies(registry)
  const malformed = new Counter({
    name: 'countersign_malformed_requests_total',
    help: 'Requests that could not be understood, by defect.',
    labelNames: ['direction', 'defect'],
    registers: [registry],
  })
  registerGauges(registry, gauges)
  const witnessMetrics = openWitnessMetrics(registry)
  const totals = { requests: 0, denied: 0, errors: 0, malformed: 0 }
  return {
    finished(summary) {
      const outcome = summary.failure ?? summary.held?.observed.outcome ?? 'error'
      totals.requests += 1
      if (outcome === 'denied') totals.denied += 1
      if (outcome === 'error' || summary.failure !== undefined) totals.errors += 1
      tallies.count(summary, outcome)
    },
    malformed(direction, defect) {
      totals.malformed += 1
      malformed.labels(direction, defect).inc()
    },
    async expose() {
      tallies.tell()
      witnessMetrics.show(await gauges.witnesses())
      return { type: registry.contentType, text: await registry.metrics() }
    },
    totals: () => ({ ...totals }),
  }
}

interface Tallies {
  count(summary: Summary, outcome: string): void
  /** Tells prom-client of everything counted so far. */
  tell(): void
}

/** prom-client hashes and checks labels on each call, which costs several times as much between two requests as in a loop. */
function openTallies(registry: Registry): Tallies {
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
  const byService = new Map<string, Tally[]>()
  const open = (
    service: string,
    told: Pick<Tally, 'direction' | 'reason' | 'outcome' | 'verdict'>,
  ): Tally => {
    const { direction, verdict, reason, outcome } = told
    const tally: Tally = {
      ...told,
      requests: requests.labels(direction, service, verdict, reason, outcome),
      duration: duration.labels(direction, service),
      seconds: [],
    }
    byService.set(service, [...(byService.get(service) ?? []), tally])
    return tally
  }
  return {
    count({ captured: { direction }, held, decision: first }, outcome) {
      const { allowed, reason, service = 'none' } = held?.observed.overruled ?? first
      const verdict = allowed ? 'allowed' : 'denied'
      const tally =
        byService
          .get(service)
          ?.find(
            (one) =>
              one.outcome === outcome &&
              one.reason === reason &&
              one.verdict === verdict &&
              one.direction === direction,
          ) ?? open(service, { direction, verdict, reason, outcome })
      tally.seconds.push((held?.observed.durationNs ?? 0) / nsPerSecond)
      if (tally.seconds.length >= tallyMax) tell(tally)
    },
    tell() {
      for (const tallies of byService.values()) for (const tally of tallies) tell(tally)
    },
  }
}

function tell({ requests, duration, seconds }: Tally): void {
  requests.inc(seconds.length)
  for (const each of seconds) duration.observe(each)
  seconds.length = 0
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
