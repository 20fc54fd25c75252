/** How the quorum is doing, for Prometheus. The only label is the name of a witness in the policy: a closed set. */
import { Counter, Gauge, type Registry } from 'prom-client'
import type { LedgerStatus } from '../ledger.ts'

export interface WitnessMetrics {
  /** Takes what the ledger says now; null when it has no witnesses, or does not answer. */
  show(status: LedgerStatus['witnesses']): void
}

const msPerSecond = 1000

/** Nothing is exposed before the first status that has witnesses: a log without them has no quorum to be down. */
export function openWitnessMetrics(registry: Registry): WitnessMetrics {
  let series: Series | undefined
  return {
    show(status) {
      if (status === null) {
        series?.reset()
        return
      }
      series ??= openSeries(registry)
      series.set(status)
    },
  }
}

interface Series {
  set(status: NonNullable<LedgerStatus['witnesses']>): void
  reset(): void
}

function openSeries(registry: Registry): Series {
  const registers = [registry]
  const labelNames = ['witness']
  const size = new Gauge({
    name: 'countersign_witnessed_records',
    help: 'Records under the largest checkpoint that the quorum cosigned.',
    registers,
  })
  const up = new Gauge({
    name: 'countersign_witness_quorum_up',
    help: '1 while the quorum cosigns.',
    registers,
  })
  const latency = new Gauge({
    name: 'countersign_witness_latency_seconds',
    help: 'How long the last cosignature of a witness took.',
    labelNames,
    registers,
  })
  const failures = new Counter({
    name: 'countersign_witness_failures_total',
    help: 'Times that a witness did not cosign, since the ledger started.',
    labelNames,
    registers,
  })
  const forked = new Gauge({
    name: 'countersign_witness_forked',
    help: '1 when a witness said that this log forked; it stays until the ledger starts again.',
    labelNames,
    registers,
  })
  const all = [size, up, latency, failures, forked]
  const reset = (): void => {
    for (const metric of all) metric.reset()
  }
  return {
    reset,
    set(status) {
      reset()
      size.set(status.size)
      up.set(status.up ? 1 : 0)
      for (const each of status.each) {
        const labels = { witness: each.name }
        if (each.latencyMs !== null) latency.set(labels, each.latencyMs / msPerSecond)
        failures.inc(labels, each.failures)
        forked.set(labels, each.forked ? 1 : 0)
      }
    },
  }
}
