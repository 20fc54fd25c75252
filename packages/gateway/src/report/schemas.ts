/**
 * What the API takes and gives, as schemas: handlers validate with those of requests, and the OpenAPI document is made from all of
 * them. Names here are the names of its components.
 */
import { z } from 'zod'
import { READ_ROWS_MAX } from '@countersign/record/reading'
import { fieldSpec, isFieldName, transactionFields } from '@countersign/record/transaction'
import type { FieldName, FieldType } from '@countersign/record/transaction'

/** Characters of a question. */
export const QUESTION_CHARACTERS_MAX = 4096
export const CURSOR_CHARACTERS_MAX = 4096
/** Rows of an answer, where nobody says. */
export const ROWS_DEFAULT = 100
/** Measures, and fields to group by, of one aggregate. */
export const MEASURES_MAX = 10
export const GROUPING_MAX = 8

export const fieldNames: readonly FieldName[] = Object.keys(transactionFields).filter(isFieldName)

const decimal = z.string().regex(/^[0-9]{1,20}$/)
export const idSchema = z
  .string()
  .regex(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  .describe('Record id (UUIDv7), shared by intent and outcome.')
export const traceSchema = z
  .string()
  .regex(/^[0-9a-f]{32}$/)
  .describe('W3C trace id, 32 hex digits.')
export const pseudonymSchema = z
  .string()
  .regex(/^[0-9a-f]{32}$/)
  .describe('Pseudonym, 32 hex digits.')
export const fieldSchema = z.enum(fieldNames).describe('Name of a field of a transaction.')
export const questionTextSchema = z
  .string()
  .max(QUESTION_CHARACTERS_MAX)
  .describe('A question in the filter language. Empty: everything.')
const limitSchema = z
  .int()
  .min(1)
  .max(READ_ROWS_MAX)
  .describe(
    `Rows of the answer, at most ${READ_ROWS_MAX}: each answer is one record, and lists what it returned.`,
  )
const cursorSchema = z
  .string()
  .min(1)
  .max(CURSOR_CHARACTERS_MAX)
  .describe('Where to go on, as an answer gave it; bound to the question and its order.')

/** A filter as JSON: what the filter language says, as data. */
export type FilterInput =
  | { kind: 'every' }
  | { kind: 'and' | 'or'; parts: FilterInput[] }
  | { kind: 'not'; part: FilterInput }
  | {
      kind: 'compare'
      field: FieldName
      operator: '=' | '<' | '<=' | '>' | '>='
      value: string | number | boolean
    }
  | { kind: 'like'; field: FieldName; pattern: string }
  | { kind: 'has'; field: FieldName }
  | { kind: 'words'; text: string }

const filterText = z.string().min(1).max(QUESTION_CHARACTERS_MAX)
export const filterSchema: z.ZodType<FilterInput> = z.lazy(() =>
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('every') }),
    z.strictObject({ kind: z.enum(['and', 'or']), parts: z.array(filterSchema).min(1).max(100) }),
    z.strictObject({ kind: z.literal('not'), part: filterSchema }),
    z.strictObject({
      kind: z.literal('compare'),
      field: fieldSchema,
      operator: z.enum(['=', '<', '<=', '>', '>=']),
      value: z
        .union([filterText, z.number(), z.boolean()])
        .describe(
          'By the type of the field; times as RFC 3339, durations in nanoseconds (decimal text).',
        ),
    }),
    z.strictObject({ kind: z.literal('like'), field: fieldSchema, pattern: filterText }),
    z.strictObject({ kind: z.literal('has'), field: fieldSchema }),
    z.strictObject({ kind: z.literal('words'), text: filterText }),
  ]),
)

const fieldsSchema = z
  .array(fieldSchema)
  .min(1)
  .max(fieldNames.length)
  .optional()
  .describe(
    'Only these fields, in this order. In JSON, origin, index, id and time are always there.',
  )
const paging = {
  limit: limitSchema.default(ROWS_DEFAULT),
  order: z
    .enum(['newest', 'oldest'])
    .default('newest')
    .describe('By the time at which they began.'),
  cursor: cursorSchema.optional(),
  fields: fieldsSchema,
  count: z.boolean().default(false).describe('Also say how many there are in all, as `total`.'),
}
const timeWord = z.string().regex(/^[0-9A-Za-z:.+-]{1,40}$/)
/** A question in a body: as text or as a filter. */
const questionInBody = {
  q: questionTextSchema.optional(),
  filter: filterSchema.optional().describe('In the place of `q`.'),
  since: timeWord
    .optional()
    .describe('With `filter`: from when, as in the language: 24h, 2026-11-26.'),
  until: timeWord.optional().describe('With `filter`: until when, not included.'),
}

export const searchQuery = z.strictObject({ q: questionTextSchema.default(''), ...paging })
export const searchBody = z.strictObject({ ...questionInBody, ...paging })

const MEASURE =
  /^(?:count|rate|(?:distinct|sum|average|min|max|p(?:[0-9]{1,2}(?:\.[0-9]{1,3})?|100)):[a-z0-9_.]{1,40})$/
const measureSchema = z
  .string()
  .regex(MEASURE)
  .describe(
    'count, rate (per second), or of a field: distinct:, sum:, average:, min:, max:, p50:, p99.9:',
  )
const counting = {
  measures: z.array(measureSchema).min(1).max(MEASURES_MAX).default(['count']),
  by: z.array(fieldSchema).max(GROUPING_MAX).default([]).describe('Fields to group by.'),
  every: z
    .string()
    .regex(/^[1-9][0-9]{0,5}(?:s|m|h|d)$/)
    .optional()
    .describe('Width of the steps of time: 30s, 15m, 1h, 1d.'),
  limit: limitSchema.default(ROWS_DEFAULT),
}
export const aggregateQuery = z.strictObject({ q: questionTextSchema.default(''), ...counting })
export const aggregateBody = z.strictObject({ ...questionInBody, ...counting })

export const completeQuery = z.strictObject({
  q: questionTextSchema,
  at: z
    .int()
    .min(0)
    .max(QUESTION_CHARACTERS_MAX)
    .optional()
    .describe('Where the cursor stands, in characters from 0; at the end unless said.'),
})
export const readsQuery = z.strictObject({
  record: idSchema.optional(),
  subject: pseudonymSchema.optional(),
  limit: limitSchema.default(ROWS_DEFAULT),
  cursor: cursorSchema.optional(),
})
export const liveQuery = z.strictObject({ q: questionTextSchema.default(''), fields: fieldsSchema })
export const rowsQuery = z.strictObject({ fields: fieldsSchema })
export const none = z.strictObject({})

export const questionName = z.string().regex(/^[a-z0-9-]{1,64}$/)
export const saveBody = z.strictObject({
  text: questionTextSchema,
  about: z.string().max(500).optional().describe('What it is for.'),
})
export const unmaskBody = z.strictObject({
  question: questionTextSchema
    .min(1)
    .optional()
    .describe('A question, to be asked with these words.'),
  record: idSchema.optional(),
  trace: traceSchema.optional(),
  purpose: z.string().trim().min(3).max(500),
  ticket: z.string().trim().min(1).max(100).optional(),
})

/** Parameters in paths. */
export const byId = z.strictObject({ id: idSchema })
export const byTrace = z.strictObject({ id: traceSchema })
export const byName = z.strictObject({ name: questionName })
export const byLog = z.strictObject({
  n: z.int().min(0).max(9999).describe('Place of the log in `/v1/logs`, from 0.'),
})
export const byTile = byLog.extend({
  path: z
    .string()
    .min(1)
    .max(100)
    .describe('Rest of the path as in C2SP tlog-tiles: 0/x001/067, entries/000.p/12.'),
})

const valueSchemas: Readonly<Record<FieldType, z.ZodType>> = {
  text: z.string(),
  number: z.number(),
  time: decimal.describe('Nanoseconds since the epoch, decimal.'),
  duration: decimal.describe('Nanoseconds, decimal.'),
  bool: z.boolean(),
  list: z.array(z.string()),
}
/** A masked or erased field is a text in the place of its value. */
export const transactionSchema = z
  .object(
    Object.fromEntries(
      fieldNames.map((name) => {
        const { type, about, sealed } = fieldSpec(name)
        return [
          name,
          valueSchemas[type].optional().describe(sealed === true ? `${about} Sealed.` : about),
        ]
      }),
    ),
  )
  .required({ origin: true, index: true, id: true, time: true })
  .describe(
    'One transaction. Sealed fields that may not be seen are `[masked]`; `[erased]`, `[sealed]` say why there is no more.',
  )

const roleSchema = z.enum(['subject', 'viewer', 'owner', 'auditor', 'investigator'])
const readAs = {
  role: roleSchema.describe('The role by which it was read.'),
  masked: z.boolean().describe('Whether sealed content is masked.'),
}
export const pageSchema = z.object({
  transactions: z.array(transactionSchema),
  cursor: z.string().optional(),
  total: z.number().optional(),
  ...readAs,
})
export const recordSchema = z.object({ transaction: transactionSchema, ...readAs })
const measured = z.union([z.number(), z.null()])
export const groupsSchema = z.object({
  groups: z.array(
    z.object({
      time: decimal.optional(),
      by: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
      measures: z.array(measured),
    }),
  ),
  measures: z.array(z.string()),
  ...readAs,
})
export const proofSchema = z.object({
  id: idSchema,
  origin: z.string(),
  vkey: z
    .string()
    .describe(
      'Verifier key of the log. Do not believe it from here: have it from whoever runs the log.',
    ),
  records: z.array(
    z.object({
      phase: z.enum(['intent', 'outcome']),
      index: z.number(),
      entry: z.base64().describe('The exact bytes that are hashed into the tree.'),
      proof: z.string().describe('C2SP tlog-proof, with the checkpoint.'),
    }),
  ),
})
export const trailSchema = z.object({
  trace: traceSchema,
  steps: z.array(
    z.object({
      depth: z.number(),
      basis: z.enum(['cause', 'span', 'none']),
      transaction: transactionSchema,
    }),
  ),
  more: z.boolean().describe('Whether the trace has more than one answer may hold.'),
  ...readAs,
})
export const fieldsAnswer = z.object({
  fields: z.array(
    z.object({
      name: z.string(),
      type: z.enum(['text', 'number', 'time', 'duration', 'bool', 'list']),
      about: z.string(),
      example: z.string(),
      sealed: z.boolean(),
      values: z.array(z.string()).optional(),
    }),
  ),
})
export const completionsAnswer = z.object({
  completions: z.array(
    z.object({
      insert: z.string(),
      from: z.number(),
      to: z.number(),
      kind: z.enum(['field', 'value', 'operator', 'word']),
      field: z.string().optional(),
      about: z.string().optional(),
    }),
  ),
})
export const savedSchema = z.object({
  name: questionName,
  text: z.string(),
  about: z.string().optional(),
  by: pseudonymSchema,
  time: decimal,
})
export const savedAnswer = z.object({ questions: z.array(savedSchema) })
export const unmaskingSchema = z.object({
  id: idSchema,
  question: z.string(),
  purpose: z.string(),
  by: pseudonymSchema,
  time: decimal,
  state: z.enum(['waiting', 'approved', 'over']),
  approval: z.object({ id: idSchema, by: pseudonymSchema, time: decimal }).optional(),
  until: decimal,
})
export const unmaskingsAnswer = z.object({ unmaskings: z.array(unmaskingSchema) })
export const askedAnswer = z.object({ id: idSchema, question: z.string(), until: decimal })
export const approvedAnswer = z.object({ id: idSchema, approval: idSchema, until: decimal })
const logSchema = z.object({
  n: z.number(),
  origin: z.string(),
  vkey: z.string(),
  next: z.number().describe('The next entry to read, from 0.'),
  size: z.number().optional().describe('Of its last checkpoint that verified.'),
  lagMs: z.number(),
  problem: z.string().optional(),
})
export const logsAnswer = z.object({ logs: z.array(logSchema) })
export const statusAnswer = logsAnswer.extend({
  lagMs: z.number().describe('The largest of them.'),
  ok: z.boolean().describe('False while reading any of them has a problem.'),
})
export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number(),
    code: z.string(),
    detail: z.string(),
    hint: z.string().optional(),
    at: z.object({ from: z.number(), to: z.number() }).optional(),
  })
  .describe('RFC 9457. `at` points at the characters of the question that are to blame.')

/** Every schema that has a name in the document. */
export const components: Readonly<Record<string, z.ZodType>> = {
  Transaction: transactionSchema,
  Filter: filterSchema,
  Search: searchBody,
  Aggregate: aggregateBody,
  SaveQuestion: saveBody,
  AskUnmasking: unmaskBody,
  Page: pageSchema,
  Record: recordSchema,
  Groups: groupsSchema,
  Proofs: proofSchema,
  Trail: trailSchema,
  Fields: fieldsAnswer,
  Completions: completionsAnswer,
  SavedQuestion: savedSchema,
  SavedQuestions: savedAnswer,
  Unmasking: unmaskingSchema,
  Unmaskings: unmaskingsAnswer,
  UnmaskingAsked: askedAnswer,
  UnmaskingApproved: approvedAnswer,
  Logs: logsAnswer,
  Status: statusAnswer,
  Problem: problemSchema,
}
