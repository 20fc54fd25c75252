/** `countersign trace`: everything of one trace, each step under what caused it. */
import { isId } from '@countersign/record/id'
import { apiOptions, findApi } from '../api-place.ts'
import { askerOptions, openApi } from '../api-client.ts'
import type { Api } from '../api-client.ts'
import { readRecord, readTrace } from '../api-questions.ts'
import type { TraceSteps } from '../api-questions.ts'
import { readArguments, usageError } from '../arguments.ts'
import { CommandError } from '../errors.ts'
import { dimHidden, outcomeCell } from '../row-table.ts'
import { localTime, shownOf, textOf, whatIn, whoIn } from '../rows.ts'
import type { Row } from '../rows.ts'
import {
  counted,
  DONE,
  duration,
  escapeText,
  fit,
  paintFor,
  print,
  printJson,
  say,
} from '../terminal.ts'
import type { Command, Io, Paint } from '../terminal.ts'

/** `countersign trace`. */
export const trace: Command = async (args, io) => {
  const { values, positionals } = readArguments(args, {
    command: 'trace',
    options: { json: { type: 'boolean' }, ...askerOptions, ...apiOptions },
    positionalsMin: 1,
    positionalsMax: 1,
    expects: 'a trace id or the id of a record',
  })
  const [wanted = ''] = positionals
  if (!isTraceId(wanted) && !isId(wanted))
    throw usageError(
      'trace',
      `could not run: '${wanted}' is no trace id (32 hex digits) and no record id`,
    )
  const api = openApi(await findApi(values), { asker: values })
  try {
    const id = isTraceId(wanted) ? wanted : await traceOf(api, wanted)
    const found = await readTrace(api, id)
    if (values.json === true) {
      for (const { row, depth, basis } of found.steps)
        printJson(io, { depth, basis, transaction: row })
    } else tell(found, io)
    return DONE
  } finally {
    api.close()
  }
}

function isTraceId(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(text)
}

async function traceOf(api: Api, record: string): Promise<string> {
  const id = textOf(await readRecord(api, record), 'trace')
  if (id !== '') return id
  throw new CommandError('CANNOT_RUN', `could not follow record ${record}: it has no trace`)
}

function tell({ trace: id, steps, isMore }: TraceSteps, io: Io): void {
  const paint = paintFor(io.stdout)
  const rows = steps.map(({ row }) => row)
  const start = minOf(rows.map((row) => textOf(row, 'time')))
  const end = maxOf(rows.map((row) => endOf(row)))
  const services = new Set(rows.map((row) => textOf(row, 'service')).filter((name) => name !== ''))
  const facts = [
    counted(steps.length, 'step'),
    counted(services.size, 'service'),
    duration(Number(end - start)),
  ]
  print(io, paint.bold(`trace ${escapeText(id)}`))
  print(io, paint.dim(`${localTime(String(start))}  ${facts.join(', ')}`))
  const branches = branchesOf(steps.map(({ depth }) => depth))
  for (const [at, { row }] of steps.entries())
    print(io, fit(stepLine(row, { start, branch: branches[at] ?? '', paint }), io.stdout))
  if (isMore)
    say(
      io,
      `countersign: the trace has more: 'countersign search trace:${escapeText(id)}' has all of it`,
    )
}

interface StepLine {
  readonly start: bigint
  readonly branch: string
  readonly paint: Paint
}

/** When (from the first on), how long, the tree, what, who, how it ended, and by which decision. */
function stepLine(row: Row, { start, branch, paint }: StepLine): string {
  const took = textOf(row, 'duration')
  const status = shownOf(row, 'status')
  const ended = outcomeCell(textOf(row, 'outcome'), textOf(row, 'outcome').length, paint)
  const words = [
    shownOf(row, 'service'),
    whatIn(row),
    paint.dim('by'),
    whoIn(row),
    ended,
    status,
    decisionIn(row, paint),
    paint.dim(`leaf ${textOf(row, 'index')}`),
  ]
  const when = `+${duration(Number(nanoseconds(textOf(row, 'time')) - start))}`
  const shown = words.filter((word) => word !== '').join(' ')
  return [
    paint.dim(when.padStart(9)),
    (/^\d{1,18}$/.test(took) ? duration(Number(took)) : '').padStart(8),
    ` ${paint.dim(branch)}${dimHidden(shown, paint)}`,
  ].join(' ')
}

/** Only what one would not expect: that it was allowed is said by its end. */
function decisionIn(row: Row, paint: Paint): string {
  if (textOf(row, 'allowed') !== 'false') return ''
  return paint.red(escapeText(`(${textOf(row, 'decision')})`))
}

/** The lines of a tree before each step, by the depths of the steps in the order in which they are printed. */
export function branchesOf(depths: readonly number[]): string[] {
  // Whether a step of this depth is still to come before a shallower one, from the last step to the first.
  const open: boolean[] = []
  const branches: string[] = []
  for (const depth of depths.toReversed()) {
    const isLast = open[depth] !== true
    open.length = depth
    open[depth] = true
    const stem = Array.from({ length: Math.max(0, depth - 1) }, (_, at) =>
      open[at + 1] === true ? '│ ' : '  ',
    )
    branches.push(depth === 0 ? '' : `${stem.join('')}${isLast ? '└ ' : '├ '}`)
  }
  return branches.toReversed()
}

function endOf(row: Row): string {
  const took = textOf(row, 'duration')
  const begun = nanoseconds(textOf(row, 'time'))
  return String(begun + nanoseconds(took))
}

function nanoseconds(text: string): bigint {
  return /^\d{1,19}$/.test(text) ? BigInt(text) : 0n
}

function minOf(times: readonly string[]): bigint {
  return times.map(nanoseconds).reduce((a, b) => (b < a ? b : a), nanoseconds(times[0] ?? ''))
}

function maxOf(times: readonly string[]): bigint {
  return times.map(nanoseconds).reduce((a, b) => (b > a ? b : a), 0n)
}
