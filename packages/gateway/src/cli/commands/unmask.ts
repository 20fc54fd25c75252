/** `countersign unmask`: an investigator asks to see what is sealed, and a second one approves it. Both are on record. */
import { isId } from '@countersign/record/id'
import { apiOptions, findApi } from '../api-place.ts'
import { openApi } from '../api-client.ts'
import type { Api } from '../api-client.ts'
import { notUnderstood } from '../api-questions.ts'
import { readArguments, usageError } from '../arguments.ts'
import { printCells } from '../cell-table.ts'
import { memberOf, textIn } from '../json.ts'
import { reasonGiven } from '../reason.ts'
import { localTime } from '../rows.ts'
import { DONE, escapeText, print, printJson, say } from '../terminal.ts'
import type { Command, Io } from '../terminal.ts'

interface Values {
  readonly record?: string | undefined
  readonly trace?: string | undefined
  readonly purpose?: string | undefined
  readonly ticket?: string | undefined
}

/** `countersign unmask request|list|approve`. */
export const unmask: Command = async ([what = '', ...args], io) => {
  if (!['request', 'list', 'approve'].includes(what))
    throw usageError('unmask', "could not run: it is 'unmask request', 'list' or 'approve'")
  const { values, positionals } = readArguments(args, {
    command: 'unmask',
    options: {
      record: { type: 'string' },
      trace: { type: 'string' },
      purpose: { type: 'string' },
      ticket: { type: 'string' },
      json: { type: 'boolean' },
      ...apiOptions,
    },
    positionalsMin: what === 'approve' ? 1 : 0,
    positionalsMax: what === 'list' ? 0 : 1,
    expects: 'the id of what was asked for',
  })
  const [argument] = positionals
  const json = values.json === true
  // Auditors may list as well; the others are for investigators alone.
  const role = what === 'list' && values.purpose !== undefined ? undefined : 'investigator'
  const body = what === 'request' ? requestBody(values, argument) : undefined
  const asker =
    what === 'list' ? { role, purpose: values.purpose, ticket: values.ticket } : { role }
  const api = openApi(await findApi(values), { asker })
  try {
    if (body !== undefined) await request(api, { body, io, json })
    else if (what === 'list') await list(api, { io, json })
    else await approve(api, { id: argument ?? '', io, json })
    return DONE
  } finally {
    api.close()
  }
}

type RequestBody = Values & { readonly question?: string | undefined }

function requestBody({ record, trace, purpose, ticket }: Values, question?: string): RequestBody {
  if ([question, record, trace].filter((one) => one !== undefined).length !== 1)
    throw usageError('unmask', 'could not run: it is one of a question, --record ID and --trace ID')
  const why = reasonGiven(purpose, { command: 'unmask', name: '--purpose' })
  return { question, record, trace, purpose: why, ticket }
}

interface Told {
  readonly io: Io
  readonly json: boolean
}

async function request(api: Api, { body, io, json }: Told & { body: RequestBody }): Promise<void> {
  const { question } = body
  const asked = { method: 'POST', path: 'unmaskings', body } as const
  const answer = await api.ask(question === undefined ? asked : { ...asked, question })
  const value = await answer.json()
  const id = textIn(value, 'id') ?? notUnderstood(api)
  if (json) return printJson(io, value)
  print(io, escapeText(id))
  say(io, `countersign: it waits until ${untilIn(value)} for another investigator:`)
  say(io, `  countersign unmask approve ${escapeText(id)}`)
}

async function approve(api: Api, { id, io, json }: Told & { id: string }): Promise<void> {
  if (!isId(id)) throw usageError('unmask', `could not run: '${id}' is not an id`)
  const value = await (await api.ask({ method: 'POST', path: `unmaskings/${id}/approval` })).json()
  if (json) return printJson(io, value)
  say(io, `countersign: approved until ${untilIn(value)}; whoever asked for it may now ask:`)
  say(io, `  countersign search QUESTION --role investigator --approval ${id}`)
}

async function list(api: Api, { io, json }: Told): Promise<void> {
  const all = memberOf(await (await api.ask({ path: 'unmaskings' })).json(), 'unmaskings')
  if (!Array.isArray(all)) return notUnderstood(api)
  if (json) for (const one of all) printJson(io, one)
  else if (all.length === 0) say(io, 'countersign: no unmasking was asked for')
  else {
    const headings = ['state', 'id', 'asked', 'question', 'purpose']
    const lines = all.map((one: unknown) =>
      [
        textIn(one, 'state') ?? '',
        textIn(one, 'id') ?? '',
        localTime(textIn(one, 'time') ?? ''),
        textIn(one, 'question') ?? '',
        textIn(one, 'purpose') ?? '',
      ].map(escapeText),
    )
    printCells(io, { headings, lines })
  }
}

function untilIn(value: unknown): string {
  return localTime(textIn(value, 'until') ?? '')
}
