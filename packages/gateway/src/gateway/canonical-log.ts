/**
 * One JSON line a request on stdout. It is about the gateway, never a second ledger: no bodies, no tokens, no
 * query strings, no names of people; actors by pseudonym. Allowed is info, denied is warn, broken is error.
 */
import { type DestinationStream, type Logger, pino } from 'pino'
import type { Malformed } from '../capture.ts'
import type { Summary } from '../journey.ts'

export interface CanonicalLog {
  finished(summary: Summary): void
  malformed(malformed: Malformed): void
  readonly logger: Logger
  flush(): void
}

const nsPerMs = 1e6
/** Lines gather up to this many bytes, or until the next flush, before they are written. */
const bufferBytes = 8_192
const flushIntervalMs = 100

/** @param destination stdout by default, written in larger pieces. */
export function openCanonicalLog(destination?: DestinationStream): CanonicalLog {
  const stdout =
    destination === undefined
      ? pino.destination({ dest: 1, sync: false, minLength: bufferBytes })
      : undefined
  const out: DestinationStream = destination ?? stdout ?? process.stdout
  const logger = pino(
    { base: null, messageKey: 'msg', timestamp: pino.stdTimeFunctions.isoTime },
    out,
  )
  const timestamp = openTimestamp(() => Date.now())
  const flush = (): void => stdout?.flush()
  setInterval(flush, flushIntervalMs).unref()
  return {
    logger,
    flush,
    finished: (summary) => void out.write(canonicalLine(summary, timestamp())),
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

/** Levels as pino numbers them. */
const level = { info: 30, warn: 40, error: 50 } as const

/** ISO 8601, made once a millisecond. */
function openTimestamp(nowMs: () => number): () => string {
  let at = 0
  let text = ''
  return () => {
    const now = nowMs()
    if (now !== at) {
      at = now
      text = new Date(now).toISOString()
    }
    return text
  }
}

/** Written by hand in one order: a general serialiser took longer than everything else the journey does. */
function canonicalLine(summary: Summary, time: string): string {
  const { captured, actor, held, failure } = summary
  const observed = held?.observed
  const decision = observed?.overruled ?? summary.decision
  const broken = failure !== undefined || observed?.outcome === 'error'
  const severity = broken ? level.error : decision.allowed ? level.info : level.warn
  return (
    `{"level":${severity},"time":"${time}","msg":"request","record":"${captured.id}"` +
    `${figure('leaf', summary.leafIndex)},"direction":"${captured.direction}"` +
    `${word('service', decision.service)}` +
    `${captured.direction === 'egress' ? word('host', captured.request.host) : ''}` +
    `${word('method', captured.request.method)}${word('route', decision.route)}` +
    `${word('actor', actor.id)},"actor_type":"${actor.type}","allowed":${decision.allowed}` +
    `,"reason":"${decision.reason}"${word('rule', decision.rule)}` +
    `${decision.wouldDeny ? ',"would_deny":true' : ''}${word('outcome', failure ?? observed?.outcome)}` +
    `${broken ? word('error', observed?.reason) : ''}${figure('status', observed?.status)}` +
    `${figure('request_bytes', observed?.requestBytes)}${figure('response_bytes', observed?.responseBytes)}` +
    `${figure('duration_ms', observed && observed.durationNs / nsPerMs)}` +
    `,"trace":"${captured.trace.id}"}\n`
  )
}

const plain = /^[ !#-[\]-~]*$/

function word(name: string, value: string | undefined): string {
  if (value === undefined) return ''
  // Attacker-controlled in part: what is not plain ASCII is escaped as JSON.
  return `,"${name}":${plain.test(value) ? `"${value}"` : JSON.stringify(value)}`
}

function figure(name: string, value: number | undefined): string {
  return value === undefined ? '' : `,"${name}":${value}`
}
