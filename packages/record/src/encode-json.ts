/**
 * The text of a leaf, checked. The decoder judges every text that is new in kind; the records of requests, two a request, differ
 * in a few members only: those are checked here, and the decoder is asked once for each combination of the others.
 */
import { checkLeafJson } from './decode.ts'
import { orderLeaf } from './encode-leaf.ts'
import type { Stamp } from './encode-leaf.ts'
import { isId } from './id.ts'
import type { Draft, Leaf, UnstampedLeaf } from './leaf.ts'

const HEX_32 = /^[0-9a-f]{32}$/
const HEX_16 = /^[0-9a-f]{16}$/
const DECIMAL = /^(?:0|[1-9][0-9]{0,19})$/

/** Combinations that the decoder has accepted. A gateway has as many as it has rules; past the limit all are judged anew. */
const vouched = new Set<string>()
const VOUCHED_MAX = 4096

/** @throws {RecordError} `RECORD_MALFORMED`, with the path of the member */
export function leafJson(draft: Draft, stamp: Stamp): string {
  const json = JSON.stringify(orderLeaf(draft, stamp))
  const kind = kindOf(draft.leaf, stamp)
  if (kind !== undefined && vouched.has(kind)) return json
  checkLeafJson(json)
  if (kind === undefined) return json
  if (vouched.size >= VOUCHED_MAX) vouched.clear()
  vouched.add(kind)
  return json
}

/**
 * All that the decoder would judge and that is not judged here, as one key.
 * @returns `undefined` for a leaf with rare members, or with a value that a reader may refuse: the decoder must see those.
 */
function kindOf(leaf: UnstampedLeaf, stamp: Stamp): string | undefined {
  if (leaf.lifecycle !== undefined || leaf.egress !== undefined || leaf.cause !== undefined)
    return undefined
  if (!isStamp(leaf, stamp) || !isTime(leaf.time) || !isTrace(leaf.trace) || !isHttp(leaf.http))
    return undefined
  const { actor, destination, decision } = leaf
  const credential = actor?.credential
  if (!isCount(destination?.port ?? 0) || !isCount(credential?.expires ?? 0)) return undefined
  return (
    `${leaf.class} ${leaf.phase} ${leaf.v} ${leaf.crud} ${leaf.outcome} ${leaf.severity} ${leaf.captured} ` +
    `${actor?.type} ${credential?.kind} ${credential?.mfa} ${credential?.defects.join()} ` +
    `${destination?.registered} ${destination?.allowed} ` +
    `${decision?.allowed} ${decision?.would_deny} ${decision?.mode} ${leaf.http?.route_match}`
  )
}

function isStamp(leaf: UnstampedLeaf, { session, seq, prev }: Stamp): boolean {
  return isId(leaf.id) && isId(session) && isCount(seq) && (prev === undefined || isId(prev))
}

function isTime({ occurred, observed }: Leaf['time']): boolean {
  return DECIMAL.test(occurred) && (observed === undefined || DECIMAL.test(observed))
}

function isTrace(trace: Leaf['trace']): boolean {
  if (trace === undefined) return true
  const { id, span, parent } = trace
  return HEX_32.test(id) && HEX_16.test(span) && (parent === undefined || HEX_16.test(parent))
}

function isHttp(http: Leaf['http']): boolean {
  if (http === undefined) return true
  return (
    isCount(http.status ?? 0) &&
    isCount(http.request_bytes ?? 0) &&
    isCount(http.response_bytes ?? 0) &&
    isCount(http.duration_ns ?? 0) &&
    isCount(http.first_byte_ns ?? 0)
  )
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}
