/** `/v1/search`: the transactions that a question is about, a page at a time. */
import type { z } from 'zod'
import type { Page, PageRequest } from '@countersign/record/question'
import type { FieldName, Transaction } from '@countersign/record/transaction'
import {
  content,
  csvOf,
  CSV_TYPE,
  json,
  JSON_TYPE,
  LINES_TYPE,
  negotiate,
  nextLink,
  picked,
} from '../answers.ts'
import { problemOf } from '../errors.ts'
import { shown } from '../mask.ts'
import { noBody, operation } from '../operation.ts'
import type { Call, Operation } from '../operation.ts'
import { fieldNames, none, searchBody, searchQuery } from '../schemas.ts'
import type { Asked } from '../session.ts'
import { questionText } from './questions-in.ts'

/** Rows that a stream of JSON lines asks of the index at a time: what it holds in memory. */
export const LINES_PAGE_ROWS = 250

type Wanted = Omit<z.infer<typeof searchQuery>, 'q'>

const spec = {
  action: 'log.search',
  crud: 'read',
  path: none,
  answers: [
    {
      status: 200,
      about:
        'A page. The next one: `cursor` (JSON), the last line (JSON lines), the headers `link` and `countersign-cursor`.',
      content: { [JSON_TYPE]: 'Page', [LINES_TYPE]: undefined, [CSV_TYPE]: undefined },
    },
  ],
} as const

export const searchOperations: readonly Operation[] = [
  operation(
    {
      ...spec,
      method: 'GET',
      template: '/v1/search',
      summary: 'Search transactions',
      about:
        'Asks in the filter language. Newest first unless said; stable while the logs grow. By `Accept` as JSON, JSON lines, or CSV that no spreadsheet runs.',
      query: searchQuery,
      body: noBody,
      example: "-G $API/v1/search --data-urlencode 'q=outcome:denied since:24h' -d limit=20",
    },
    ({ query: { q, ...wanted }, ...call }) => answer(call, q, wanted),
  ),
  operation(
    {
      ...spec,
      method: 'POST',
      template: '/v1/search',
      summary: 'Search transactions, asking in JSON',
      about:
        'The same; the question as text (`q`) or as data (`filter`), which is written in the language for the record.',
      query: none,
      body: searchBody,
      example: `$API/v1/search --json '{"filter":{"kind":"compare","field":"status","operator":">=","value":400},"since":"24h"}'`,
    },
    ({ body, ...call }) => answer(call, questionText(call.ports, body), body),
  ),
]

type Asker = Pick<Call<unknown, unknown, unknown>, 'ports' | 'session' | 'request'>

async function answer(call: Asker, text: string, wanted: Wanted): Promise<Response> {
  const type = negotiate(call.request, [JSON_TYPE, LINES_TYPE, CSV_TYPE])
  const asked = await call.session.ask(text, call.request.signal)
  if (type === LINES_TYPE) return content(await lines(call, asked, wanted), LINES_TYPE)

  const { ports, session, request } = call
  const page = await ports.index.search(pageRequest(asked, wanted), asked.asking)
  const total = wanted.count ? await ports.index.count(asked.question, asked.asking) : undefined
  const rows = visible(page, asked, wanted.fields)
  session.say({ rows: rows.length, transactions: page.transactions })
  const headers = nextLink(request, page.cursor)
  if (type === CSV_TYPE)
    return content(csvOf(rows, wanted.fields ?? fieldNames), `${CSV_TYPE}; charset=utf-8`, {
      headers: { ...headers, 'content-disposition': 'attachment; filename="transactions.csv"' },
    })
  const value = {
    transactions: rows,
    ...(page.cursor === undefined ? {} : { cursor: page.cursor }),
    ...(total === undefined ? {} : { total }),
    role: session.access.role,
    masked: !asked.unmasked,
  }
  return json(value, { headers })
}

function pageRequest({ question }: Asked, { limit, order, cursor }: Wanted): PageRequest {
  return { question, limit, order, ...(cursor === undefined ? {} : { cursor }) }
}

function visible(
  page: Page,
  { unmasked }: Asked,
  fields: readonly FieldName[] | undefined,
): readonly Transaction[] {
  return page.transactions.map((transaction) => picked(shown(transaction, unmasked), fields))
}

/**
 * JSON lines as they come from the index, `LINES_PAGE_ROWS` at a time; where there is more, the last line holds the cursor. What is on
 * record is what left: also when the index breaks in the middle, or the client goes away.
 */
async function lines(
  call: Asker,
  asked: Asked,
  wanted: Wanted,
): Promise<ReadableStream<Uint8Array>> {
  const { ports, session } = call
  const sent: Transaction[] = []
  const encoder = new TextEncoder()
  const ask = (cursor: string | undefined): Promise<Page> => {
    const limit = Math.min(LINES_PAGE_ROWS, wanted.limit - sent.length)
    return ports.index.search(pageRequest(asked, { ...wanted, limit, cursor }), asked.asking)
  }
  const end = (): void => session.say({ rows: sent.length, transactions: sent })
  // Asked before the head is sent: what is wrong with the question is still a status.
  let page: Page | undefined = await ask(wanted.cursor)
  let cursor: string | undefined
  return new ReadableStream({
    async pull(controller) {
      try {
        page ??= await ask(cursor)
        ;({ cursor } = page)
        sent.push(...page.transactions)
        const isLast = cursor === undefined || sent.length >= wanted.limit
        const rows: unknown[] = [...visible(page, asked, wanted.fields)]
        page = undefined
        if (isLast && cursor !== undefined) rows.push({ cursor })
        // The last byte may not leave before it is said what left.
        if (isLast) end()
        controller.enqueue(encoder.encode(rows.map((row) => `${JSON.stringify(row)}\n`).join('')))
        if (isLast) controller.close()
      } catch (error) {
        end()
        ports.failed(error, session.context.record)
        controller.enqueue(encoder.encode(`${JSON.stringify({ problem: problemOf(error) })}\n`))
        controller.close()
      }
    },
    cancel: end,
  })
}
