/** `countersign top`: how many, how long, how different, by any fields and over time. */
import { isFieldName } from '@countersign/record/transaction'
import { apiOptions, findApi } from '../api-place.ts'
import { askerOptions, openApi } from '../api-client.ts'
import { aggregate } from '../api-questions.ts'
import type { GroupRow } from '../api-questions.ts'
import { readArguments, usageError } from '../arguments.ts'
import { printCells } from '../cell-table.ts'
import { tellBehind } from '../index-lag.ts'
import { readFields, withTimes } from '../question-text.ts'
import { humanText, localTime } from '../rows.ts'
import { DONE, duration, escapeText, printJson, say } from '../terminal.ts'
import type { Command, Io } from '../terminal.ts'
import { readLimit } from './search.ts'

/** Groups without `--limit`. */
const GROUPS = 20

/** An answer holds no more. */
const GROUPS_MAX = 1000

/** `countersign top`. */
export const top: Command = async (args, io) => {
  const { values, positionals } = readArguments(args, {
    command: 'top',
    options: {
      measure: { type: 'string', short: 'm', multiple: true },
      every: { type: 'string' },
      since: { type: 'string' },
      until: { type: 'string' },
      limit: { type: 'string', short: 'n' },
      json: { type: 'boolean' },
      ...askerOptions,
      ...apiOptions,
    },
    positionalsMax: 2,
  })
  const { every } = values
  const { by, text } = fieldsAndQuestion(positionals, every !== undefined)
  const limit = readLimit(values.limit, { command: 'top', fallback: GROUPS, max: GROUPS_MAX })
  const measures = (values.measure ?? ['count']).flatMap((list) => list.split(','))
  const api = openApi(await findApi(values), { asker: values })
  try {
    const question = withTimes(text, values)
    const groups = await aggregate(api, { question, by, measures, every, limit })
    if (values.json === true)
      for (const group of groups) printJson(io, groupJson(group, { by, measures }))
    else printGroups(groups, { by, measures, isTimed: every !== undefined, io })
    if (groups.length === 0 && io.stderr.isTTY === true) say(io, 'countersign: nothing found')
    await tellBehind(api, io)
    return DONE
  } finally {
    api.close()
  }
}

/** Over time, all may be one group: then the question stands alone. */
function fieldsAndQuestion(
  positionals: readonly string[],
  isTimed: boolean,
): { by: readonly string[]; text: string } {
  const [first, second] = positionals
  if (isTimed && second === undefined && !(first ?? '').split(',').every(isFieldName))
    return { by: [], text: first ?? '' }
  if (first === undefined)
    throw usageError('top', 'could not run: top needs a field, or --every for all over time')
  return { by: readFields(first, 'top'), text: second ?? '' }
}

interface Columns {
  readonly by: readonly string[]
  readonly measures: readonly string[]
}

function groupJson(group: GroupRow, { by, measures }: Columns): Record<string, unknown> {
  return {
    ...(group.time === undefined ? {} : { time: group.time }),
    by: Object.fromEntries(by.map((name, at) => [name, group.by[at] ?? ''])),
    ...Object.fromEntries(measures.map((name, at) => [name, group.measures[at] ?? null])),
  }
}

/** Measures first, as `uniq -c` has them: one sees them below each other. */
function printGroups(
  groups: readonly GroupRow[],
  { by, measures, isTimed, io }: Columns & { isTimed: boolean; io: Io },
): void {
  const times = isTimed ? ['time'] : []
  const lines = groups.map((group) => [
    ...(isTimed ? [localTime(group.time ?? '')] : []),
    ...measures.map((name, at) => measured(name, group.measures[at] ?? null)),
    ...by.map((name, at) => escapeText(humanText(name, group.by[at] ?? ''))),
  ])
  const right = new Set(measures.map((_, at) => at + times.length))
  printCells(io, { headings: [...times, ...measures, ...by], lines, right })
}

/** A number as people read it: nanoseconds with their unit, a rate with what it is per. */
function measured(measure: string, value: number | null): string {
  if (value === null) return '-'
  if (measure === 'rate') return `${value.toPrecision(3)}/s`
  const isTime = /:(?:duration|first_byte)$/.test(measure) && !measure.startsWith('distinct:')
  if (isTime) return duration(value)
  return Number.isInteger(value) ? value.toLocaleString('en-US') : value.toPrecision(4)
}
