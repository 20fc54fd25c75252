/** `countersign search`: which transactions. What comes is printed page by page, so that a closed pipe ends it. */
import { apiOptions, findApi } from '../api-place.ts'
import { askerOptions, openApi } from '../api-client.ts'
import type { Api } from '../api-client.ts'
import { searchCsv, searchPages } from '../api-questions.ts'
import type { RowPage, Search } from '../api-questions.ts'
import { readArguments, usageError, wholeNumber } from '../arguments.ts'
import { printCells } from '../cell-table.ts'
import { writeCsv } from '../csv-writer.ts'
import { tellBehind } from '../index-lag.ts'
import { readFields, withTimes } from '../question-text.ts'
import { openRowTable } from '../row-table.ts'
import { shownOf } from '../rows.ts'
import { savedQuestion, saveQuestion } from '../saved-questions.ts'
import { counted, DONE, printJson, say } from '../terminal.ts'
import type { Command, Io } from '../terminal.ts'

/** Rows without `--limit`: what a person looks through. */
const ROWS = 50

/** Rows that may be asked for at once; each page is a read on record. */
const ROWS_MAX = 1_000_000

/** `countersign search`. */
export const search: Command = async (args, io) => {
  const { values, positionals } = readArguments(args, {
    command: 'search',
    options: {
      since: { type: 'string' },
      until: { type: 'string' },
      limit: { type: 'string', short: 'n' },
      fields: { type: 'string' },
      oldest: { type: 'boolean' },
      json: { type: 'boolean' },
      csv: { type: 'boolean' },
      save: { type: 'string' },
      saved: { type: 'string' },
      ...askerOptions,
      ...apiOptions,
    },
    positionalsMax: 1,
  })
  const { json = false, csv = false, save, saved } = values
  if (json && csv) throw usageError('search', 'could not run: it is --json or --csv, not both')
  if (saved !== undefined && positionals[0] !== undefined)
    throw usageError('search', 'could not run: it is a question or --saved NAME, not both')
  const limit = readLimit(values.limit, { command: 'search', fallback: ROWS, max: ROWS_MAX })
  const fields = values.fields === undefined ? undefined : readFields(values.fields, 'search')
  const api = openApi(await findApi(values), { asker: values })
  try {
    const text =
      saved === undefined ? (positionals[0] ?? '') : (await savedQuestion(api, saved)).text
    const question = withTimes(text, values)
    if (save !== undefined) await saveQuestion(api, { name: save, text })
    const order = values.oldest === true ? 'oldest' : 'newest'
    const wanted: Search = { question, limit, order, fields }
    if (csv) await printCsv(api, wanted, io)
    else await printRows(api, wanted, { io, json })
    await tellBehind(api, io)
    return DONE
  } finally {
    api.close()
  }
}

/** @throws {CommandError} `USAGE` */
export function readLimit(
  text: string | undefined,
  { command, fallback, max }: { command: string; fallback: number; max: number },
): number {
  if (text === undefined) return fallback
  const limit = wholeNumber(text, { command, name: '--limit' })
  if (limit >= 1 && limit <= max) return limit
  throw usageError(
    command,
    `could not read --limit: it is from 1 to ${max.toLocaleString('en-US')}`,
  )
}

async function printCsv(api: Api, wanted: Search, io: Io): Promise<void> {
  for await (const { answer, isFirst } of searchCsv(api, wanted))
    await writeCsv(io.stdout, answer.pieces(), { skipHeading: !isFirst })
}

async function printRows(
  api: Api,
  wanted: Search,
  { io, json }: { io: Io; json: boolean },
): Promise<void> {
  const show = json
    ? jsonShower(io)
    : wanted.fields === undefined
      ? tableShower(io)
      : cellShower(io, wanted.fields)
  let rows = 0
  let last: RowPage | undefined
  for await (const page of searchPages(api, wanted)) {
    show(page)
    rows += page.rows.length
    last = page
  }
  if (json || io.stderr.isTTY !== true) return
  if (rows === 0) say(io, 'countersign: nothing found')
  else if (last?.isMore === true)
    say(io, `countersign: ${counted(rows, 'transaction')} shown, and more are there (--limit N)`)
  if (last?.masked === true && rows > 0)
    say(io, `countersign: as ${last.role ?? 'this role'} you see no sealed content`)
}

type Show = (page: RowPage) => void

function jsonShower(io: Io): Show {
  return ({ rows }) => rows.forEach((row) => printJson(io, row))
}

function tableShower(io: Io): Show {
  const table = openRowTable(io, Date.now())
  return ({ rows }) => rows.forEach((row) => table.show(row))
}

function cellShower(io: Io, fields: readonly string[]): Show {
  let isMore = false
  return ({ rows }) => {
    const lines = rows.map((row) => fields.map((field) => shownOf(row, field)))
    printCells(io, { headings: fields, lines }, isMore)
    isMore = true
  }
}
