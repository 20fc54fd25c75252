/** `/v1/fields` and `/v1/complete`: what can be asked, and how a question that is half written could go on. */
import { fieldSpec, isFieldName } from '@countersign/record/transaction'
import { json, JSON_TYPE, negotiate } from '../answers.ts'
import { isSealed } from '../mask.ts'
import { noBody, operation } from '../operation.ts'
import type { Operation } from '../operation.ts'
import type { Completion } from '@countersign/record/question'
import { completeQuery, fieldNames, none } from '../schemas.ts'

/** Ways to go on in one answer. */
export const COMPLETIONS_MAX = 50

const fields: Operation = operation(
  {
    method: 'GET',
    template: '/v1/fields',
    action: 'log.fields',
    crud: 'read',
    summary: 'Fields of a transaction',
    about:
      'What can be asked by, with types and the values there are. It tells nothing of the log.',
    path: none,
    query: none,
    body: noBody,
    answers: [{ status: 200, about: 'The catalogue.', content: { [JSON_TYPE]: 'Fields' } }],
    example: '$API/v1/fields',
  },
  async ({ request }) => {
    negotiate(request, [JSON_TYPE])
    const list = fieldNames.map((name) => {
      const { type, about, example, sealed = false, values } = fieldSpec(name)
      return { name, type, about, example, sealed, ...(values === undefined ? {} : { values }) }
    })
    return json({ fields: list })
  },
)

const complete: Operation = operation(
  {
    method: 'GET',
    template: '/v1/complete',
    action: 'log.complete',
    crud: 'read',
    summary: 'Complete a question',
    about:
      'Fields, operators and values that could stand where the cursor is. Values of masked fields are not told.',
    path: none,
    query: completeQuery,
    body: noBody,
    answers: [{ status: 200, about: 'The best first.', content: { [JSON_TYPE]: 'Completions' } }],
    example: "-G $API/v1/complete --data-urlencode 'q=service:ord'",
  },
  async ({ ports, session, request, query: { q, at = q.length } }) => {
    negotiate(request, [JSON_TYPE])
    // Half a question has no approval: whoever needs one sees masks here.
    const { access, stated } = session
    const isStated = access.unmask === 'with_purpose' && stated.purpose !== undefined
    const unmasked = access.unmask === 'always' || isStated
    const asking = { scope: access.scope, unmasked, signal: request.signal }
    const all = await ports.language.complete(q, Math.min(at, q.length), asking)
    const completions = all.filter((one) => unmasked || !tellsSealed(one)).slice(0, COMPLETIONS_MAX)
    const values = completions.filter(({ kind }) => kind === 'value').length
    session.say({ question: q, rows: values, unmasked })
    return json({ completions })
  },
)

export const languageOperations: readonly Operation[] = [fields, complete]

function tellsSealed({ kind, field }: Completion): boolean {
  if (kind !== 'value') return false
  // A value of nobody knows which field could be one of a sealed one.
  return field === undefined || !isFieldName(field) || isSealed(field)
}
