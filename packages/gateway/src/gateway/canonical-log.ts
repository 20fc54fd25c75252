/**
 * One JSON line a request on stdout. It is about the gateway, never a second ledger: no bodies, no tokens, no
 * query strings, no names of people; actors by pseudonym. Allowed is info, denied is warn, broken is error.
 */
import { type DestinationStream, type Logger, pino } from 'pino'
import type { Malformed } from '../capture.ts'
import type { Summary } from '../journey.ts'
import type { Clock } from '../platform.ts'

export interface CanonicalLog {
  finished(summary: Summary): void
  malformed(malformed: Malformed): void
  readonly logger: Logger
  flush(): void
}

const nsPerMs = 1e6
/** Lines gather up to this many bytes, or until the next flush, before they are written. */
const bufferBytes = 65_536
const flushIntervalMs = 100
/** A reader of stdout that stalls costs log lines past this, never a request: the record is elsewhere. */
const backlogBytesMax = 16 * 1024 * 1024

/** @param options.destination stdout by default, written in larger pieces. */
export function openCanonicalLog(options: {
  clock: Clock
  destination?: DestinationStream
}): CanonicalLog {
  const { clock, destination } = options
  const out = openBuffer(
    destination ?? pino.destination({ dest: 1, sync: false, maxLength: backlogBytesMax }),
  )
  const logger = pino(
    { base: null, messageKey: 'msg', timestamp: pino.stdTimeFunctions.isoTime },
    out,
  )
  const timestamp = openTimestamp(clock)
  setInterval(() => out.flush(), flushIntervalMs).unref()
  return {
    logger,
    flush: () => out.flush(),
    finished: (summary) => out.write(canonicalLine(summary, timestamp())),
    malformed(malformed) {
      logger.warn(
        {
          record: malformed.id,
          direction: malformed.direction,
          defect: malformed.defect,
          status: malformed.status,
          peer: malformed.peer.address,
        },
        'malformed',
      )
    },
  }
}

/** Gathers lines: a write for each costs more than making it. */
function openBuffer(destination: DestinationStream): DestinationStream & { flush(): void } {
  let lines = ''
  const flush = (): void => {
    if (lines === '') return
    const whole = lines
    lines = ''
    destination.write(whole)
  }
  return {
    flush,
    write(line) {
      lines += line
      if (lines.length >= bufferBytes) flush()
    },
  }
}

/** Levels as pino numbers them. */
const level = { info: 30, warn: 40, error: 50 } as const

/** ISO 8601, made once a millisecond. */
function openTimestamp(clock: Clock): () => string {
  let at = 0n
  let text = ''
  return () => {
    const now = clock.nowNs() / BigInt(nsPerMs)
    if (now !== at) {
      at = now
      text = new Date(Number(now)).toISOString()
    }
    return text
  }
}

/** One object, one JSON.stringify: pino's own way through its bindings and serialisers took several times as long. */
function canonicalLine(summary: Summary, time: string): string {
  const { captured, actor, held, failure } = summary
  const observed = held?.observed
  const decision = observed?.overruled ?? summary.decision
  const broken = failure !== undefined || observed?.outcome === 'error'
  const line = JSON.stringify({
    level: broken ? level.error : decision.allowed ? level.info : level.warn,
    time,
    msg: 'request',
    record: captured.id,
    leaf: summary.leafIndex,
    acknowledged: summary.level === 'D0' ? undefined : summary.level,
    direction: captured.direction,
    service: decision.service,
    host: captured.direction === 'egress' ? captured.request.host : undefined,
    method: captured.request.method,
    route: decision.route,
    actor: actor.id,
    actor_type: actor.type,
    allowed: decision.allowed,
    reason: decision.reason,
    rule: decision.rule,
    would_deny: decision.wouldDeny || undefined,
    outcome: failure ?? observed?.outcome,
    error: broken ? (observed?.reason ?? messageOf(summary.cause)) : undefined,
    status: observed?.status,
    request_bytes: observed?.requestBytes,
    response_bytes: observed?.responseBytes,
    duration_ms: observed && observed.durationNs / nsPerMs,
    trace: captured.trace.id,
  })
  return `${line}\n`
}

function messageOf(cause: unknown): string | undefined {
  return cause instanceof Error ? cause.message : undefined
}
