/** `/v1/unmaskings`: an investigator asks to see what is sealed, a second person approves. The records of both requests are all there is. */
import { json, JSON_TYPE, negotiate } from '../answers.ts'
import { ReportError } from '../errors.ts'
import { noBody, operation } from '../operation.ts'
import type { Operation } from '../operation.ts'
import { byId, none, unmaskBody } from '../schemas.ts'
import type { Session } from '../session.ts'
import {
  findUnmasking,
  listUnmaskings,
  UNMASK_APPROVE,
  UNMASK_REQUEST,
  UNMASKING_MS_MAX,
  UNMASKINGS_MAX,
} from '../unmasking.ts'

const NS_PER_MS = 1_000_000n

const request: Operation = operation(
  {
    method: 'POST',
    template: '/v1/unmaskings',
    action: UNMASK_REQUEST,
    crud: 'create',
    prefers: 'investigator',
    summary: 'Ask for an unmasking',
    about:
      'For one question, one record or one trace, with a purpose. Its id is the record id of this request. It waits an hour for another investigator.',
    path: none,
    query: none,
    body: unmaskBody,
    answers: [
      { status: 201, about: 'It waits for approval.', content: { [JSON_TYPE]: 'UnmaskingAsked' } },
    ],
    example: `$API/v1/unmaskings --json '{"record":"01890a5d-ac96-774b-bcce-b302099a8059","purpose":"case 17: who exported it"}'`,
  },
  async ({ ports, session, request: asked, body }) => {
    negotiate(asked, [JSON_TYPE])
    checkInvestigator(session)
    const question = questionOf(body)
    ports.language.parse(question)
    const { purpose, ticket } = body
    session.say({ rows: 0, question, purpose, ...(ticket === undefined ? {} : { ticket }) })
    return json(
      { id: session.context.record, question, until: untilText(ports.clock.nowNs()) },
      { status: 201 },
    )
  },
)

const approve: Operation = operation(
  {
    method: 'POST',
    template: '/v1/unmaskings/{id}/approval',
    action: UNMASK_APPROVE,
    crud: 'create',
    prefers: 'investigator',
    summary: 'Approve an unmasking',
    about:
      'By another investigator than the one who asked. For an hour from now the other may ask that question with the header `countersign-approval`.',
    path: byId,
    query: none,
    body: noBody,
    answers: [
      { status: 201, about: 'It is approved.', content: { [JSON_TYPE]: 'UnmaskingApproved' } },
    ],
    example: '$API/v1/unmaskings/01890a5d-ac96-774b-bcce-b302099a8059/approval -X POST',
  },
  async ({ ports, session, request: asked, path: { id } }) => {
    negotiate(asked, [JSON_TYPE])
    checkInvestigator(session)
    const { unmasking } = await findUnmasking(ports, id)
    const { record, actor } = session.context
    if (unmasking.by === actor.id)
      throw new ReportError('REPORT_APPROVAL', 'could not approve it: you asked for it yourself', {
        hint: 'another investigator has to',
      })
    if (unmasking.state !== 'waiting')
      throw new ReportError(
        'REPORT_CONFLICT',
        `could not approve it: it is ${unmasking.state} already`,
      )
    session.say({ rows: 0, question: unmasking.question, cause: id })
    return json({ id, approval: record, until: untilText(ports.clock.nowNs()) }, { status: 201 })
  },
)

const list: Operation = operation(
  {
    method: 'GET',
    template: '/v1/unmaskings',
    action: 'log.unmask.list',
    crud: 'read',
    prefers: 'investigator',
    summary: 'Unmaskings',
    about: `The newest ${UNMASKINGS_MAX}, with what is asked and why: for investigators, who approve, and auditors who state a purpose.`,
    path: none,
    query: none,
    body: noBody,
    answers: [{ status: 200, about: 'The newest first.', content: { [JSON_TYPE]: 'Unmaskings' } }],
    example: '$API/v1/unmaskings',
  },
  async ({ ports, session, request: asked }) => {
    negotiate(asked, [JSON_TYPE])
    const { access, stated } = session
    const isAuditor = access.role === 'auditor' && stated.purpose !== undefined
    if (access.role !== 'investigator' && !isAuditor)
      throw notFor('investigators, and auditors who state a purpose')
    const all = await listUnmaskings(ports)
    const transactions = all.flatMap(({ records }) => records)
    session.say({ rows: all.length, transactions, unmasked: all.length > 0 })
    return json({ unmaskings: all.map(({ unmasking }) => unmasking) })
  },
)

export const unmaskingOperations: readonly Operation[] = [list, request, approve]

function checkInvestigator({ access }: Session): void {
  if (access.role !== 'investigator') throw notFor('investigators')
}

function notFor(whom: string): ReportError {
  return new ReportError('REPORT_ROLE', `could not do that as you are: it is for ${whom}`, {
    hint: 'name the role in countersign-role if you hold several',
  })
}

/** What it is for, as the words of the language: those that must be asked with later. */
function questionOf(body: {
  question?: string | undefined
  record?: string | undefined
  trace?: string | undefined
}): string {
  const { question, record, trace } = body
  const given = [
    question,
    record === undefined ? undefined : `id:${record}`,
    trace === undefined ? undefined : `trace:${trace}`,
  ].filter((one) => one !== undefined)
  const [only] = given
  if (only === undefined || given.length > 1)
    throw new ReportError(
      'REPORT_BODY',
      "could not read the body: it needs one of 'question', 'record' and 'trace'",
    )
  return only
}

function untilText(nowNs: bigint): string {
  return String(nowNs + BigInt(UNMASKING_MS_MAX) * NS_PER_MS)
}
