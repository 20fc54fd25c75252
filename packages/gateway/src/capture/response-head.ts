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

/** Sorts the headers of an answer. @returns undefined when they are not a well-formed HTTP/1.1 answer. */
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
