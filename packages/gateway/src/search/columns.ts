/**
 * The columns of the index: one for each field of a transaction, and how a transaction becomes a row and comes back. What is absent
 * is the empty text, the empty list, or NULL; nobody outside this file needs to know which.
 */
import { fieldSpec, isFieldName, transactionFields } from '@countersign/record/transaction'
import type { FieldName, Transaction } from '@countersign/record/transaction'
import type { Row } from './engine.ts'
import { SearchError } from './errors.ts'

/** One column, and its type in ClickHouse. */
export interface Column {
  readonly name: string
  readonly type: string
}

/** Texts with few values. */
const FEW_VALUES: ReadonlySet<FieldName> = new Set([
  'origin',
  'class',
  'action',
  'crud',
  'outcome',
  'reason',
  'severity',
  'env',
  'tenant',
  'actor.type',
  'credential',
  'credential.issuer',
  'service',
  'owner',
  'instance',
  'method',
  'route',
  'route.match',
  'rule',
  'decision',
  'policy',
  'mode',
  'captured',
  'tls',
  'payload.type',
  'lifecycle',
  'read.role',
  'content',
])

/** Fields that every transaction has. */
const ALWAYS: ReadonlySet<FieldName> = new Set(['origin', 'index', 'id', 'time'])

/** All field names, in the order of the catalogue. */
export const fieldNames: readonly FieldName[] = Object.keys(transactionFields).filter((name) =>
  isFieldName(name),
)

export function columnOf(field: FieldName): Column {
  return { name: nameOf(field), type: typeOf(field) }
}

/** `index` is a word of the dialect. */
function nameOf(field: FieldName): string {
  return field === 'index' ? 'leaf' : field.replaceAll('.', '_')
}

function typeOf(field: FieldName): string {
  const { type } = fieldSpec(field)
  switch (type) {
    case 'text':
      return FEW_VALUES.has(field) ? 'LowCardinality(String)' : 'String'
    case 'list':
      return 'Array(LowCardinality(String))'
    case 'time':
    case 'duration':
    case 'number':
      // Nanoseconds since the epoch fit until the year 2262.
      return ALWAYS.has(field) ? 'Int64' : 'Nullable(Int64)'
    case 'bool':
      return 'Nullable(Bool)'
    default:
      return type satisfies never
  }
}

/** SQL that is true where a field is there. */
export function presentSql(field: FieldName): string {
  const { name, type } = columnOf(field)
  if (type.startsWith('Array(')) return `notEmpty(${name})`
  return type.startsWith('Nullable(')
    ? `isNotNull(${name})`
    : ALWAYS.has(field)
      ? '1'
      : `${name} != ''`
}

/** Texts that free text is looked for in: those that anyone may see, and those that were sealed. */
export const wordFields: {
  readonly open: readonly FieldName[]
  readonly sealed: readonly FieldName[]
} = {
  open: ['action', 'reason', 'service', 'route', 'destination', 'rule', 'request', 'sni', 'facts'],
  sealed: [
    'actor',
    'actor.email',
    'client',
    'host',
    'path',
    'query',
    'user_agent',
    'headers',
    'body',
    'read.purpose',
    'read.question',
  ],
}

/**
 * SQL of all of those texts, in lower case and apart: the same expression in the index and in questions. A text index is not used for an
 * expression with a CAST in it; and `lowerUTF8` is what `toLowerCase` is here, which `matches` relies on.
 */
export function wordsSql(which: 'open' | 'sealed'): string {
  const names = wordFields[which].map((field) => columnOf(field).name)
  return `lowerUTF8(concatWithSeparator('\\n', ${names.join(', ')}))`
}

/** Fields whose columns an erasure empties. */
export const sealedFields: readonly FieldName[] = fieldNames.filter(
  (field) => fieldSpec(field).sealed === true,
)

/** The columns of a row that are inserted, in the order of what `rowOf` gives. */
export const rowColumns: readonly Column[] = [
  ...fieldNames.map(columnOf),
  { name: 'drop_after', type: 'Date' },
]

const places: ReadonlyMap<string, number> = new Map(fieldNames.map((field, at) => [field, at]))
const emptyRow: readonly unknown[] = rowColumns.map(() => undefined)

/** The values of a transaction's row. @param dropAfter the day after which retention drops it; never, when absent. */
export function rowOf(transaction: Transaction, dropAfter: string | undefined): unknown[] {
  const row = emptyRow.slice()
  const values: Readonly<Record<string, unknown>> = transaction
  // Once a record: no list of pairs is made, and no object of a hundred members.
  for (const field of Object.keys(values)) {
    const at = places.get(field)
    if (at !== undefined) row[at] = values[field]
  }
  row[row.length - 1] = dropAfter ?? NEVER
  return row
}

/** The day of rows that retention never drops. */
export const NEVER = '2149-06-06'

/** The transaction in a row of all columns, or of those of them that are wanted. @throws {SearchError} `SEARCH_SCHEMA` for a row of something else */
export function transactionOf(row: Row): Transaction {
  const transaction: Record<string, unknown> = {}
  for (const field of fieldNames) {
    const value = row[nameOf(field)]
    if (value === undefined || value === null || value === '') continue
    if (Array.isArray(value) && value.length === 0) continue
    transaction[field] = fieldSpec(field).type === 'number' ? Number(value) : value
  }
  if (!isTransaction(transaction)) {
    throw new SearchError('SEARCH_SCHEMA', 'could not read the index: a row names no transaction', {
      hint: "'countersign reindex' makes it anew",
    })
  }
  return transaction
}

function isTransaction(row: Partial<Transaction>): row is Transaction {
  return (
    typeof row.origin === 'string' &&
    typeof row.index === 'number' &&
    typeof row.id === 'string' &&
    typeof row.time === 'string'
  )
}
