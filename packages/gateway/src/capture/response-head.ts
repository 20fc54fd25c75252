/**
 * The head of an upstream's answer, judged as strictly as a request's. Attacker-controlled: an upstream may
 * try to forge what the gateway says, or to split its answer in two.
 */

/** As undici gives them: lower-case names; a repeated header is an array. */
export type UpstreamHeaders = Readonly<Record<string, string | string[] | undefined>>

/** What is passed on, flat (name, value, name, value), and how long the body is when the upstream said so. */
export interface ResponseHead {
  readonly headers: string[]
  readonly bytes: number | undefined
}

const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
const once: ReadonlySet<string> = new Set([
  'content-length',
  'content-type',
  'transfer-encoding',
  'location',
])
const unnamed: ReadonlySet<string> = new Set([
  'content-length',
  'content-type',
  'content-encoding',
  'set-cookie',
  'location',
  'cache-control',
  'date',
])

/** How one header name of an answer is treated. */
interface Rule {
  readonly name: string
  /** Passed on, unless `Connection` names it. */
  readonly pass: boolean
  /** A bit of its own where it may stand only once, otherwise 0. */
  readonly once: number
}

// As in `headers.ts`: a name is lower-cased and judged once a spelling, and strangers can only make that begin anew.
const spellings = new Map<string, Rule>()
const spellingsMax = 4096

/**
 * Sorts the headers of an answer whose framing the codec has judged, and is to say. @param raw name, value, name, value.
 * @returns what is passed on, lower-case names; undefined when it is not a well-formed answer.
 */
export function answerHeaders(raw: readonly string[]): string[] | undefined {
  const headers: string[] = []
  let connection: string | undefined
  let seen = 0
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const { name, pass, once: bit } = ruleOf(raw[at] ?? '')
    const value = raw[at + 1] ?? ''
    if ((seen & bit) !== 0) return undefined
    seen |= bit
    if (pass) headers.push(name, value)
    else if (name === 'connection')
      connection = connection === undefined ? value : `${connection},${value}`
  }
  const named = connection === undefined ? undefined : connectionNames(connection)
  if (named === 'protected') return undefined
  return named === undefined ? headers : without(headers, named)
}

function ruleOf(spelling: string): Rule {
  const seen = spellings.get(spelling)
  if (seen !== undefined) return seen
  const name = spelling.toLowerCase()
  const pass = !hopByHop.has(name) && name !== 'content-length' && !isOurs(name)
  const rule = { name, pass, once: once.has(name) ? 1 << [...once].indexOf(name) : 0 }
  if (spellings.size >= spellingsMax) spellings.clear()
  spellings.set(spelling, rule)
  return rule
}

function without(headers: readonly string[], named: ReadonlySet<string>): string[] {
  const kept: string[] = []
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at] ?? ''
    if (!named.has(name)) kept.push(name, headers[at + 1] ?? '')
  }
  return kept
}

/** Sorts the headers of an answer as undici gives them. @returns undefined when they are not a well-formed HTTP/1.1 answer. */
export function responseHead(status: number, from: UpstreamHeaders): ResponseHead | undefined {
  const connection = from['connection']
  const named = connection === undefined ? undefined : connectionNames(connection)
  if (named === 'protected') return undefined
  const headers: string[] = []
  let length: string | undefined
  let encoding: string | undefined
  for (const name in from) {
    const value = from[name]
    if (value === undefined) continue
    if (name === 'content-length' && typeof value === 'string') length = value
    if (name === 'transfer-encoding' && typeof value === 'string') encoding = value
    if (typeof value !== 'string' && once.has(name)) return undefined
    if (hopByHop.has(name) || isOurs(name) || named?.has(name) === true) continue
    if (typeof value === 'string') headers.push(name, value)
    else for (const each of value) headers.push(name, each)
  }
  return judgeFraming({ status, length, encoding }, headers)
}

interface Framing {
  readonly status: number
  readonly length: string | undefined
  readonly encoding: string | undefined
}

function judgeFraming(
  { status, length, encoding }: Framing,
  headers: string[],
): ResponseHead | undefined {
  if (
    encoding !== undefined &&
    (encoding.toLowerCase() !== 'chunked' || length !== undefined || status === 204)
  )
    return undefined
  if (length === undefined) return { headers, bytes: undefined }
  if (!/^(?:0|[1-9][0-9]{0,14})$/.test(length) || (status === 204 && length !== '0'))
    return undefined
  return { headers, bytes: Number(length) }
}

function isOurs(name: string): boolean {
  return name.startsWith('countersign-')
}

function connectionNames(
  connection: string | readonly string[],
): ReadonlySet<string> | undefined | 'protected' {
  if (connection === 'keep-alive' || connection === 'close') return undefined
  const text = typeof connection === 'string' ? connection : connection.join(',')
  const names = new Set(
    text
      .toLowerCase()
      .split(',')
      .map((name) => name.trim()),
  )
  for (const name of names) if (unnamed.has(name)) return 'protected'
  return names
}
