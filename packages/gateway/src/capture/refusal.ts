/** How a refusal looks from outside: one table of status codes, one shape of body, one header that upstreams can not forge. */
import type { Decision, DecisionReason } from '@countersign/record/vocabulary'
import type { RecordReference } from './exchange.ts'

/** Says why a request was refused, for machines; stripped from every upstream's answer. */
export const decisionHeader = 'countersign-decision'
/** Says what went wrong behind the gateway, for machines; stripped from every upstream's answer. */
export const errorHeader = 'countersign-error'
/** The id of the transaction's records. */
export const recordHeader = 'countersign-record'
/** The leaf index of the intent, when it was awaited. */
export const leafHeader = 'countersign-leaf'

const statusOf: Readonly<Record<DecisionReason, number>> = {
  no_credential: 401,
  bad_credential: 401,
  unregistered_caller: 407,
  no_grant: 403,
  denied_explicitly: 403,
  egress_not_listed: 403,
  address_forbidden: 403,
  metadata_address: 403,
  own_listener: 403,
  port_forbidden: 403,
  mixed_addresses: 403,
  not_tls: 403,
  sni_missing: 403,
  sni_mismatch: 403,
  no_route: 404,
  no_service: 404,
  // What allows is not refused; should it be, nothing is forwarded and nobody is told why.
  granted: 403,
  public: 403,
  egress_allowed: 403,
  egress_open: 403,
  egress_reported: 403,
}

/** A whole answer of our own. `headers` is flat (name, value, name, value) and says nothing of the body's framing. */
export interface OwnAnswer {
  readonly status: number
  readonly headers: string[]
  readonly body: string
}

/** The answer to what policy denied. @param realm the gateway's name, shown by clients that ask for a credential. */
export function refusalAnswer(
  decision: Decision,
  record: RecordReference,
  realm: string,
): OwnAnswer {
  const status = statusOf[decision.reason]
  const { reason, rule, explanation } = decision
  const body = `${JSON.stringify({ error: reason, rule, explanation, record: record.id })}\n`
  const headers = jsonHeaders()
  headers.push(decisionHeader, reason)
  pushReference(headers, record)
  if (status === 401) {
    headers.push(
      'www-authenticate',
      `Bearer realm="${realm}"${reason === 'bad_credential' ? ', error="invalid_token"' : ''}`,
    )
  }
  if (status === 407) headers.push('proxy-authenticate', `Basic realm="${realm}"`)
  return { status, headers, body }
}

/** The answer to what could not be parsed. */
export function malformedAnswer(status: number, defect: string, explanation: string): OwnAnswer {
  const body = `${JSON.stringify({ error: defect, explanation })}\n`
  return { status, headers: [...jsonHeaders(), errorHeader, defect], body }
}

/** Why a request was not forwarded whose record is not as safe as it must be. */
const unsafeRecord: Readonly<Record<string, string>> = {
  signer_unavailable: 'the record of the request could not be signed',
  witnesses_unavailable: 'the record of the request was not cosigned by enough witnesses in time',
}

/** The answer while the ledger can not write, or what it wrote is not as safe as it must be. */
export function unavailableAnswer(reason: string): OwnAnswer {
  const why = unsafeRecord[reason] ?? 'the request could not be put on record'
  const explanation = `${why}, so it was not forwarded; try again`
  const body = `${JSON.stringify({ error: reason, explanation })}\n`
  return {
    status: 503,
    headers: [...jsonHeaders(), decisionHeader, reason, 'retry-after', '1'],
    body,
  }
}

/** The answer to what failed behind the gateway. */
export function failureAnswer(status: number, reason: string, record: RecordReference): OwnAnswer {
  const body = `${JSON.stringify({ error: reason, record: record.id })}\n`
  const headers = jsonHeaders()
  headers.push(errorHeader, reason)
  pushReference(headers, record)
  return { status, headers, body }
}

/** Names the record in a flat header list. */
export function pushReference(headers: string[], record: RecordReference): void {
  headers.push(recordHeader, record.id)
  if (record.leafIndex !== undefined) headers.push(leafHeader, String(record.leafIndex))
}

function jsonHeaders(): string[] {
  return ['content-type', 'application/json', 'cache-control', 'no-store']
}
