/** W3C Trace Context: what a caller sent is taken over when it is exactly right, and otherwise a trace begins here. */
import { randomBytes } from 'node:crypto'
import type { TraceContext } from '@countersign/record/vocabulary'

/** Continues the caller's trace, or begins one; the span is always new. */
export type Tracer = (
  traceparent: string | undefined,
  tracestate: string | undefined,
) => TraceContext

/** Opens a tracer. @param random gives that many random bytes. @see https://www.w3.org/TR/trace-context-1/ */
export function openTracer(random: (count: number) => Buffer = randomBytes): Tracer {
  const hex = openHex(random)
  return (traceparent, tracestate) => {
    const caller = traceparent === undefined ? undefined : parseTraceparent(traceparent)
    if (caller === undefined) return { id: hex(32), span: hex(16), flags: '00' }
    const { id, parent, flags } = caller
    const state = tracestate === undefined ? undefined : validTracestate(tracestate)
    const span = hex(16)
    return state === undefined ? { id, span, parent, flags } : { id, span, parent, flags, state }
  }
}

/** The header for the next hop: our span is its parent. */
export function formatTraceparent(trace: TraceContext): string {
  return `00-${trace.id}-${trace.span}-${trace.flags}`
}

/** Sane request ids are passed on as they came; anything else is replaced. */
export function isRequestId(text: string): boolean {
  // It stands in the leaf for ever: a token, or one of our keys, is no id.
  return /^(?!eyJ|csk_)[A-Za-z0-9._-]{1,128}$/.test(text)
}

interface Caller {
  readonly id: string
  readonly parent: string
  readonly flags: string
}

const zeros = /^0+$/

function parseTraceparent(text: string): Caller | undefined {
  const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(text)
  if (match === null) return undefined
  const [, version = '', id = '', parent = '', flags = '', more] = match
  // A version above ours may carry more; of its flags we know only the first.
  if (version === 'ff' || (version === '00' && more !== undefined)) return undefined
  if (zeros.test(id) || zeros.test(parent)) return undefined
  return {
    id,
    parent,
    flags: version === '00' ? flags : (Number.parseInt(flags, 16) & 1) === 1 ? '01' : '00',
  }
}

const stateMember =
  /^(?:[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/

/** The list, white space between members removed; undefined unless all of it is right. */
function validTracestate(text: string): string | undefined {
  if (text.length > 512) return undefined
  const members = text
    .split(',')
    .map((member) => member.trim())
    .filter((member) => member !== '')
  if (
    members.length === 0 ||
    members.length > 32 ||
    !members.every((member) => stateMember.test(member))
  )
    return undefined
  const keys = new Set(members.map((member) => member.slice(0, member.indexOf('='))))
  return keys.size === members.length ? members.join(',') : undefined
}

/** Random hexadecimal digits in pieces: asking the platform for each span would cost more than the rest of it. */
function openHex(random: (count: number) => Buffer): (digits: number) => string {
  let pool = ''
  let used = 0
  return (digits) => {
    if (used + digits > pool.length) {
      pool = random(2048).toString('hex')
      used = 0
    }
    used += digits
    return pool.slice(used - digits, used)
  }
}
