/** `/v1/aggregate`: counts and measures of the transactions that a question is about. */
import type { z } from 'zod'
import type { AggregateRequest, Group, Measure } from '@countersign/record/question'
import { isFieldName } from '@countersign/record/transaction'
import type { FieldName } from '@countersign/record/transaction'
import { content, CSV_TYPE, json, JSON_TYPE, negotiate, timeText } from '../answers.ts'
import { csvLine } from '../csv.ts'
import { ReportError } from '../errors.ts'
import { isSealed } from '../mask.ts'
import { noBody, operation } from '../operation.ts'
import type { Call, Operation } from '../operation.ts'
import { aggregateBody, aggregateQuery, none } from '../schemas.ts'
import { howToUnmask } from '../session.ts'
import { questionText } from './questions-in.ts'

type Wanted = Omit<z.infer<typeof aggregateQuery>, 'q'>

const NS_PER: Readonly<Record<string, bigint>> = {
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
  d: 86_400_000_000_000n,
}

const spec = {
  action: 'log.aggregate',
  crud: 'read',
  path: none,
  answers: [
    {
      status: 200,
      about: 'The groups, the largest by the first measure first; over time, by time.',
      content: { [JSON_TYPE]: 'Groups', [CSV_TYPE]: undefined },
    },
  ],
} as const

export const aggregateOperations: readonly Operation[] = [
  operation(
    {
      ...spec,
      method: 'GET',
      template: '/v1/aggregate',
      summary: 'Count and measure',
      about:
        'Count, rate, distinct, sums and percentiles, by any fields, over time where `every` says so.',
      query: aggregateQuery,
      body: noBody,
      example:
        '-G $API/v1/aggregate -d q=service:orders -d measures=count,p95:duration -d by=status -d every=1h',
    },
    ({ query: { q, ...wanted }, ...call }) => answer(call, q, wanted),
  ),
  operation(
    {
      ...spec,
      method: 'POST',
      template: '/v1/aggregate',
      summary: 'Count and measure, asking in JSON',
      about: 'The same; the question as text (`q`) or as data (`filter`).',
      query: none,
      body: aggregateBody,
      example: `$API/v1/aggregate --json '{"q":"outcome:denied","measures":["count"],"by":["service"]}'`,
    },
    ({ body, ...call }) => answer(call, questionText(call.ports, body), body),
  ),
]

type Asker = Pick<Call<unknown, unknown, unknown>, 'ports' | 'session' | 'request'>

async function answer(call: Asker, text: string, wanted: Wanted): Promise<Response> {
  const { ports, session, request } = call
  const type = negotiate(request, [JSON_TYPE, CSV_TYPE])
  const { question, asking, unmasked } = await session.ask(text, request.signal)
  const measures = wanted.measures.map(measureOf)
  const { by, every, limit } = wanted
  const named = [
    ...by,
    ...measures.flatMap((measure) => ('field' in measure ? [measure.field] : [])),
  ]
  const sealed = named.find(isSealed)
  // A group is named by its value, and the least of a field is a value of it: neither may tell what is masked.
  if (!unmasked && sealed !== undefined)
    throw new ReportError('SEARCH_MASKED', `could not count by '${sealed}': it is masked for you`, {
      hint: howToUnmask(session.access),
    })
  const everyNs = every === undefined ? undefined : stepOf(every)
  const asked: AggregateRequest = {
    question,
    measures,
    by,
    limit,
    ...(everyNs === undefined ? {} : { everyNs }),
  }
  const groups = await ports.index.aggregate(asked, asking)
  session.say({ rows: groups.length })
  if (type === CSV_TYPE)
    return content(csv(groups, wanted), `${CSV_TYPE}; charset=utf-8`, {
      headers: { 'content-disposition': 'attachment; filename="groups.csv"' },
    })
  return json({ groups, measures: wanted.measures, role: session.access.role, masked: !unmasked })
}

function csv(groups: readonly Group[], { by, every, measures }: Wanted): string {
  const isTimed = every !== undefined
  const lines = groups.map((group) =>
    csvLine([
      ...(isTimed ? [group.time === undefined ? undefined : timeText(group.time)] : []),
      ...by.map((name) => group.by[name] ?? undefined),
      ...group.measures.map((measure) => measure ?? undefined),
    ]),
  )
  return [csvLine([...(isTimed ? ['time'] : []), ...by, ...measures]), ...lines].join('')
}

/** Reads a measure as its schema lets it through: `count`, `distinct:actor.id`, `p99.9:duration`. */
function measureOf(text: string): Measure {
  const [kind = '', name = ''] = text.split(':')
  if (kind === 'count' || kind === 'rate') return { kind }
  const field = fieldOf(name)
  switch (kind) {
    case 'distinct':
    case 'sum':
    case 'average':
    case 'min':
    case 'max':
      return { kind, field }
    default:
      return { kind: 'percentile', field, percent: Number(kind.slice(1)) }
  }
}

function fieldOf(name: string): FieldName {
  if (isFieldName(name)) return name
  throw new ReportError(
    'REPORT_PARAMETER',
    `could not read the measures: there is no field '${name}'`,
    {
      hint: 'GET /v1/fields lists them',
    },
  )
}

function stepOf(every: string): bigint {
  return BigInt(every.slice(0, -1)) * (NS_PER[every.slice(-1)] ?? 1n)
}
