/**
 * Unmaskings: an investigator asks to see sealed content for one question, and a second person approves. Nothing is held of them but
 * the records of both requests: what stands here reads those records from the index.
 */
import type { Asking, Filter, Page, Question } from '@countersign/record/question'
import type { FieldName, Transaction } from '@countersign/record/transaction'
import { ReportError } from './errors.ts'
import type { ReportPorts } from './ports.ts'

/** Actions of the records that an unmasking is made of: those of the operations below `/v1/unmaskings`. */
export const UNMASK_REQUEST = 'log.unmask.request'
export const UNMASK_APPROVE = 'log.unmask.approve'

/** How long an approval holds, and how long a request waits for one: an hour. */
export const UNMASKING_MS_MAX = 3_600_000
/** Unmaskings in one list, the newest first. */
export const UNMASKINGS_MAX = 100

const NS_PER_MS = 1_000_000n

/** The state of one, as its records tell it. */
export interface UnmaskingState {
  readonly id: string
  readonly question: string
  readonly purpose: string
  /** Pseudonym of who asked. */
  readonly by: string
  readonly time: string
  readonly state: 'waiting' | 'approved' | 'over'
  readonly approval?: { readonly id: string; readonly by: string; readonly time: string }
  /** Until when it waits, or holds: nanoseconds since the epoch, decimal. */
  readonly until: string
}

/** The records that the state is read from; what was shown is put on record with them. */
export interface UnmaskingRecords {
  readonly unmasking: UnmaskingState
  readonly records: readonly Transaction[]
}

// The API asks for itself: the records of unmaskings lie in no service, and their question and purpose are sealed.
const asking: Asking = { scope: { kind: 'all' }, unmasked: true }

/**
 * The approval by which this question may be asked unmasked.
 * @returns its record id
 * @throws {ReportError} `REPORT_APPROVAL` when there is none that holds now, for this question and this investigator
 */
export async function approvalOf(
  ports: ReportPorts,
  { unmaskingId, by, question }: { unmaskingId: string; by: string; question: Question },
): Promise<string> {
  const { unmasking } = await findUnmasking(ports, unmaskingId)
  if (unmasking.by !== by) throw refused('it was asked for by somebody else')
  // As it was written: what was approved is those words, such as `since:24h`, whenever within the hour they are asked.
  if (unmasking.question.trim() !== question.text.trim())
    throw refused('it is for another question')
  if (unmasking.state === 'waiting' || unmasking.approval === undefined)
    throw refused(
      'nobody has approved it',
      'another investigator can: POST /v1/unmaskings/{id}/approval',
    )
  if (unmasking.state === 'over')
    throw refused('its hour is over', 'ask for another: POST /v1/unmaskings')
  return unmasking.approval.id
}

/** @throws {ReportError} `REPORT_APPROVAL` when there is none of that id */
export async function findUnmasking(ports: ReportPorts, id: string): Promise<UnmaskingRecords> {
  const page = await recordsOf(ports, { action: UNMASK_REQUEST, more: [equal('id', id)], limit: 1 })
  const [request] = page.transactions
  const found = request === undefined ? undefined : await stateOf(ports, request)
  if (found === undefined)
    throw refused(
      'there is none of that id',
      'one that was just made is found once the reader has indexed it: see lagMs of /v1/status',
    )
  return found
}

/** The newest, at most `UNMASKINGS_MAX`. */
export async function listUnmaskings(ports: ReportPorts): Promise<readonly UnmaskingRecords[]> {
  const page = await recordsOf(ports, { action: UNMASK_REQUEST, more: [], limit: UNMASKINGS_MAX })
  const all: UnmaskingRecords[] = []
  for (const request of page.transactions) {
    const found = await stateOf(ports, request)
    if (found !== undefined) all.push(found)
  }
  return all
}

async function stateOf(
  ports: ReportPorts,
  request: Transaction,
): Promise<UnmaskingRecords | undefined> {
  const { id, time } = request
  const [question, purpose, by] = [
    request['read.question'],
    request['read.purpose'],
    request['actor.id'],
  ]
  // Erased, or not to be opened here: an unmasking whose question nobody can read allows nothing.
  if (question === undefined || purpose === undefined || by === undefined) return undefined
  const approvals = await recordsOf(ports, {
    action: UNMASK_APPROVE,
    more: [equal('cause', id), { kind: 'not', part: equal('actor.id', by) }],
    limit: 1,
  })
  const [first] = approvals.transactions
  const approver = first?.['actor.id']
  const isApproved = first !== undefined && approver !== undefined && approver !== by
  const until = BigInt(isApproved ? first.time : time) + BigInt(UNMASKING_MS_MAX) * NS_PER_MS
  const isOver = ports.clock.nowNs() > until
  return {
    records: isApproved ? [request, first] : [request],
    unmasking: {
      id,
      question,
      purpose,
      by,
      time,
      until: String(until),
      state: isOver ? 'over' : isApproved ? 'approved' : 'waiting',
      ...(isApproved ? { approval: { id: first.id, by: approver, time: first.time } } : {}),
    },
  }
}

/** Records of one action that succeeded, by an investigator, in the log that this reader writes: no other log can speak for it. */
function recordsOf(
  ports: ReportPorts,
  { action, more, limit }: { action: string; more: readonly Filter[]; limit: number },
): Promise<Page> {
  const parts: Filter[] = [
    equal('origin', ports.origin),
    equal('class', 'read'),
    equal('action', action),
    equal('outcome', 'success'),
    equal('read.role', 'investigator'),
    ...more,
  ]
  const filter: Filter = { kind: 'and', parts }
  const question: Question = { text: ports.language.print(filter), filter }
  // The first approval counts; requests are listed newest first.
  const order = action === UNMASK_APPROVE ? 'oldest' : 'newest'
  return ports.index.search({ question, limit, order }, asking)
}

function equal(field: FieldName, value: string): Filter {
  return { kind: 'compare', field, operator: '=', value, at: { from: 0, to: 0 } }
}

function refused(why: string, hint?: string): ReportError {
  return new ReportError('REPORT_APPROVAL', `could not unmask by that approval: ${why}`, { hint })
}
