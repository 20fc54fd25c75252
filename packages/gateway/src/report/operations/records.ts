/** `/v1/records/{id}`, its proof, `/v1/traces/{id}` and who read what. */
import type { Question } from '@countersign/record/question'
import { READ_ROWS_MAX } from '@countersign/record/reading'
import type { Transaction } from '@countersign/record/transaction'
import { encodeBase64 } from '@countersign/tlog/base64'
import { json, JSON_TYPE, negotiate, nextLink, picked } from '../answers.ts'
import { ReportError } from '../errors.ts'
import { shown } from '../mask.ts'
import { noBody, operation } from '../operation.ts'
import type { Call, Operation } from '../operation.ts'
import type { WhoRead } from '../ports.ts'
import { byId, byTrace, none, readsQuery, rowsQuery } from '../schemas.ts'
import type { Asked, Session } from '../session.ts'

type Asker = Pick<Call<unknown, unknown, unknown>, 'ports' | 'session' | 'request'>

const record: Operation = operation(
  {
    method: 'GET',
    template: '/v1/records/{id}',
    action: 'log.record',
    crud: 'read',
    summary: 'One transaction',
    about: 'By its record id. One outside the scope of the role is not found.',
    path: byId,
    query: rowsQuery,
    body: noBody,
    answers: [{ status: 200, about: 'The transaction.', content: { [JSON_TYPE]: 'Record' } }],
    example: '$API/v1/records/01890a5d-ac96-774b-bcce-b302099a8059',
  },
  async ({ path: { id }, query: { fields }, ...call }) => {
    negotiate(call.request, [JSON_TYPE])
    const { transaction, asked } = await found(call, id)
    call.session.say({ rows: 1, transactions: [transaction] })
    return json({
      transaction: picked(shown(transaction, asked.unmasked), fields),
      ...readAs(call.session, asked),
    })
  },
)

const proof: Operation = operation(
  {
    method: 'GET',
    template: '/v1/records/{id}/proof',
    action: 'log.prove',
    crud: 'read',
    summary: 'Prove a transaction',
    about:
      'Proofs of all its records, with the exact bytes that they prove: what `countersign verify`, and tools of others, take. The bytes hold no personal data.',
    path: byId,
    query: none,
    body: noBody,
    answers: [
      { status: 200, about: 'The proofs, intent first.', content: { [JSON_TYPE]: 'Proofs' } },
    ],
    example: '$API/v1/records/01890a5d-ac96-774b-bcce-b302099a8059/proof',
  },
  async ({ path: { id }, ...call }) => {
    negotiate(call.request, [JSON_TYPE])
    const { ports, session } = call
    const { transaction } = await found(call, id)
    const { origin } = transaction
    const log = (await ports.logs.status()).find((status) => status.origin === origin)
    const records: unknown[] = []
    for (const [phase, index] of recordsOf(transaction)) {
      const proven = await ports.logs.prove(origin, index)
      if (log === undefined || proven === undefined)
        throw new ReportError(
          'REPORT_PENDING',
          `could not prove record ${index} yet: no checkpoint covers it`,
          {
            hint: 'ask again in a second or two',
          },
        )
      records.push({ phase, index, entry: encodeBase64(proven.entry), proof: proven.proof })
    }
    session.say({ rows: 1, transactions: [transaction], unmasked: false })
    return json({ id, origin, vkey: log?.vkey, records })
  },
)

const trace: Operation = operation(
  {
    method: 'GET',
    template: '/v1/traces/{id}',
    action: 'log.trace',
    crud: 'read',
    summary: 'All of one trace',
    about: `Each transaction under what caused it: the request, the calls it made. At most ${READ_ROWS_MAX}, the first of them.`,
    path: byTrace,
    query: rowsQuery,
    body: noBody,
    answers: [{ status: 200, about: 'The trail.', content: { [JSON_TYPE]: 'Trail' } }],
    example: '$API/v1/traces/4bf92f3577b34da6a3ce929d0e0e4736',
  },
  async ({ path: { id }, query: { fields }, ...call }) => {
    negotiate(call.request, [JSON_TYPE])
    const { ports, session, request } = call
    const asked = await session.ask(`trace:${id}`, request.signal)
    const { question, asking } = asked
    const page = await ports.index.search(
      { question, limit: READ_ROWS_MAX, order: 'oldest' },
      asking,
    )
    if (page.transactions.length === 0) throw missing('trace')
    const trail = ports.trailOf(id, page.transactions)
    session.say({ rows: page.transactions.length, transactions: page.transactions })
    const steps = trail.steps.map(({ depth, basis, transaction }) => ({
      depth,
      basis,
      transaction: picked(shown(transaction, asked.unmasked), fields),
    }))
    return json({ trace: id, steps, more: page.cursor !== undefined, ...readAs(session, asked) })
  },
)

const reads: Operation = operation(
  {
    method: 'GET',
    template: '/v1/reads',
    action: 'log.reads',
    crud: 'read',
    summary: 'Who read it',
    about:
      'The reads of a record, or of anything about a subject, from the log itself. A subject may ask about themselves; others about what they may see.',
    path: none,
    query: readsQuery,
    body: noBody,
    answers: [{ status: 200, about: 'The reads, newest first.', content: { [JSON_TYPE]: 'Page' } }],
    example: '$API/v1/reads?record=01890a5d-ac96-774b-bcce-b302099a8059',
  },
  async ({ query, ...call }) => {
    negotiate(call.request, [JSON_TYPE])
    const { ports, session, request } = call
    const { limit, cursor } = query
    const { which, asked } = await whoRead(call, query)
    const page = await ports.readsOf(which, { limit, ...(cursor === undefined ? {} : { cursor }) })
    // Who reads is a person too: their names are shown to whoever sees sealed content of the whole log, and to nobody else.
    const unmasked = asked.unmasked && session.access.scope.kind === 'all'
    session.say({ rows: page.transactions.length, transactions: page.transactions, unmasked })
    const value = {
      transactions: page.transactions.map((transaction) => shown(transaction, unmasked)),
      ...(page.cursor === undefined ? {} : { cursor: page.cursor }),
      role: session.access.role,
      masked: !unmasked,
    }
    return json(value, { headers: nextLink(request, page.cursor) })
  },
)

export const recordOperations: readonly Operation[] = [record, proof, trace, reads]

async function whoRead(
  call: Asker,
  { record: id, subject }: { record?: string | undefined; subject?: string | undefined },
): Promise<{ which: WhoRead; asked: Pick<Asked, 'unmasked'> }> {
  if ((id === undefined) === (subject === undefined))
    throw new ReportError(
      'REPORT_PARAMETER',
      "could not read the query: it needs either 'record' or 'subject'",
    )
  if (id !== undefined) {
    const { transaction, asked } = await found(call, id)
    const records = recordsOf(transaction).map(([, index]) => index)
    return { which: { kind: 'record', origin: transaction.origin, records }, asked }
  }
  const { scope } = call.session.access
  const isOwn = scope.kind === 'self' && scope.actor === subject
  if (scope.kind !== 'all' && !isOwn)
    throw new ReportError(
      'REPORT_SCOPE',
      'could not say who read of that subject: it is outside your scope',
      {
        hint: 'ask about a record that you may see',
      },
    )
  const asked = await call.session.ask(`actor.id:${subject}`, call.request.signal)
  return { which: { kind: 'subject', subject: subject ?? '' }, asked }
}

async function found(call: Asker, id: string): Promise<{ transaction: Transaction; asked: Asked }> {
  const { ports, session, request } = call
  const asked = await session.ask(`id:${id}`, request.signal)
  const transaction = await ports.index.find({ id }, asked.asking)
  if (transaction === undefined) throw missing('record')
  return { transaction, asked }
}

function missing(what: string): ReportError {
  return new ReportError(
    'REPORT_NOT_FOUND',
    `could not find that ${what}: there is none that you may see`,
    {
      hint: 'what was just written is found once it is indexed: see lagMs of /v1/status',
    },
  )
}

/** The records of a transaction, in the order in which they were written. */
function recordsOf({
  intent,
  index,
  outcome,
}: Transaction): readonly (readonly ['intent' | 'outcome', number])[] {
  if (outcome === 'open') return [['intent', index]]
  return intent === undefined
    ? [['outcome', index]]
    : [
        ['intent', intent],
        ['outcome', index],
      ]
}

function readAs(
  session: Session,
  { unmasked }: { unmasked: boolean; question?: Question },
): object {
  return { role: session.access.role, masked: !unmasked }
}
