/** From a request's path, query and body to what a handler gets: strictly, and with a sentence for whatever is wrong. */
import { z } from 'zod'
import { didYouMean } from '../platform.ts'
import { ReportError } from './errors.ts'
import type { ReportErrorCode } from './errors.ts'

/** Bytes of the body of a request. */
export const BODY_BYTES_MAX = 65_536
/** Arrays and objects within each other in a body. */
export const BODY_DEPTH_MAX = 64

/** Where an input comes from, for the sentence that says what is wrong with it. */
type Source = 'path' | 'query' | 'body'

const codes: Readonly<Record<Source, ReportErrorCode>> = {
  // A path that fits no id names nothing: there is no such thing.
  path: 'REPORT_NOT_FOUND',
  query: 'REPORT_PARAMETER',
  body: 'REPORT_BODY',
}

/** @throws {ReportError} `REPORT_PARAMETER`, `REPORT_BODY`, `REPORT_NOT_FOUND` by where it comes from */
export function validated<T>(schema: z.ZodType<T>, raw: unknown, source: Source): T {
  const result = schema.safeParse(raw)
  if (result.success) return result.data
  throw new ReportError(
    codes[source],
    `could not read the ${source}: ${sentence(result.error, schema)}`,
  )
}

/** Texts of a query, or of a path, as the values that their schema asks for. Attacker-controlled. */
export function valuesOf(schema: z.ZodType, entries: Iterable<readonly [string, string]>): unknown {
  const types = propertyTypes(schema)
  const values: Record<string, unknown> = Object.create(null)
  for (const [name, text] of entries) {
    const type = types.get(name)
    const before = values[name]
    if (type === 'array')
      values[name] = [...(Array.isArray(before) ? before : []), ...text.split(',')]
    else if (before === undefined) values[name] = valueOf(type, text)
    else
      throw new ReportError(
        'REPORT_PARAMETER',
        `could not read the query: '${name}' is there twice`,
      )
  }
  return { ...values }
}

/** The JSON of a body. @throws {ReportError} `REPORT_MEDIA_TYPE`, `REPORT_BODY_TOO_LARGE`, `REPORT_BODY` */
export async function readJson(request: Request): Promise<unknown> {
  const type = (request.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json')
    throw new ReportError(
      'REPORT_MEDIA_TYPE',
      'could not read the body: it must be application/json',
      {
        headers: { accept: 'application/json' },
      },
    )
  const bytes = await readBody(request)
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw new ReportError('REPORT_BODY', 'could not read the body: it is no JSON in UTF-8')
  }
  if (isDeeper(value, BODY_DEPTH_MAX))
    throw new ReportError(
      'REPORT_BODY',
      `could not read the body: it is more than ${BODY_DEPTH_MAX} levels deep`,
    )
  return value
}

async function readBody(request: Request): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  if (request.body === null) return new Uint8Array()
  for await (const chunk of request.body) {
    bytes += chunk.length
    if (bytes > BODY_BYTES_MAX)
      throw new ReportError(
        'REPORT_BODY_TOO_LARGE',
        `could not read the body: it may have ${BODY_BYTES_MAX} bytes`,
      )
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function isDeeper(value: unknown, levels: number): boolean {
  let level: unknown[] = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > levels) return true
    level = level.flatMap((item) =>
      typeof item === 'object' && item !== null ? Object.values(item) : [],
    )
  }
  return false
}

function valueOf(type: string | undefined, text: string): unknown {
  if (type === 'integer' && /^[0-9]{1,15}$/.test(text)) return Number(text)
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true'
  return text
}

const typesBySchema = new WeakMap<z.ZodType, ReadonlyMap<string, string>>()

/** The JSON types of an object's members: the same as the document says. */
function propertyTypes(schema: z.ZodType): ReadonlyMap<string, string> {
  const known = typesBySchema.get(schema)
  if (known !== undefined) return known
  const { properties = {} } = z.toJSONSchema(schema, { io: 'input' })
  const types = new Map<string, string>()
  for (const [name, property] of Object.entries(properties))
    types.set(
      name,
      typeof property === 'object' && typeof property.type === 'string' ? property.type : '',
    )
  typesBySchema.set(schema, types)
  return types
}

/** The first thing that is wrong, for people. What they sent is not repeated, but for names of members. */
function sentence(error: z.ZodError, schema: z.ZodType): string {
  const [issue] = error.issues
  if (issue === undefined) return 'it is not what it must be'
  const where = issue.path.map(String).join('.')
  if (issue.code === 'unrecognized_keys') {
    const name = issue.keys[0] ?? ''
    const shownName = JSON.stringify(name.slice(0, 64))
    const near = where === '' ? didYouMean(name, propertyTypes(schema).keys()) : ''
    return `there is no ${shownName}${where === '' ? '' : ` in ${where}`}${near}`
  }
  const message = issue.message.charAt(0).toLowerCase() + issue.message.slice(1)
  return where === '' ? message : `'${where}': ${message}`
}
