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

export function openCanonicalLog(destination?: DestinationStream): CanonicalLog {
  const stream = pino.destination({ dest: 1, sync: false, minLength: bufferBytes })
  const logger = pino(
    { base: null, messageKey: 'msg', timestamp: pino.stdTimeFunctions.isoTime },
    destination ?? stream,
  )
  const flush = (): void => {
    if (destination === undefined) stream.flush()
  }
  setInterval(flush, flushIntervalMs).unref()
  return {
    logger,
    flush,
    finished(summary) {
      const line = canonicalLine(summary)
      if (summary.failure !== undefined || line['outcome'] === 'error')
        logger.error(line, 'request')
      else if (line['allowed'] === false) logger.warn(line, 'request')
      else logger.info(line, 'request')
    },
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

function canonicalLine(summary: Summary): Record<string, unknown> {
  const { captured, actor, held } = summary
  const decision = held?.observed.overruled ?? summary.decision
  const observed = held?.observed
  const egress = captured.direction === 'egress'
  return {
    record: captured.id,
    leaf: summary.leafIndex,
    direction: captured.direction,
    service: decision.service,
    host: egress ? captured.request.host : undefined,
    method: captured.request.method,
    route: decision.route,
    actor: actor.id,
    actor_type: actor.type,
    allowed: decision.allowed,
    reason: decision.reason,
    rule: decision.rule,
    would_deny: decision.wouldDeny || undefined,
    outcome: summary.failure ?? observed?.outcome,
    error: observed?.outcome === 'error' ? observed.reason : undefined,
    status: observed?.status,
    request_bytes: observed?.requestBytes,
    response_bytes: observed?.responseBytes,
    duration_ms: observed === undefined ? undefined : observed.durationNs / nsPerMs,
    trace: captured.trace.id,
  }
}
