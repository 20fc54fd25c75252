/**
 * The text of a leaf, checked. The decoder judges every text that is new in kind. The records of requests, two a request, differ
 * in a few members only: those are checked here, and the others are written in the words that the decoder has accepted before.
 * Lost with this state: nothing; it is learned anew.
 */
import { checkLeafJson } from './decode.ts'
import {
  orderActor,
  orderDecision,
  orderDestination,
  orderLeaf,
  orderService,
} from './encode-leaf.ts'
import type { Stamp } from './encode-leaf.ts'
import { isId } from './id.ts'
import type { Draft, Leaf, UnstampedLeaf } from './leaf.ts'

const HEX_32 = /^[0-9a-f]{32}$/
const HEX_16 = /^[0-9a-f]{16}$/
const DECIMAL = /^(?:0|[1-9][0-9]{0,19})$/

/** Phrases kept at most. A gateway has as many as it has rules; past the limit they are learned anew. */
const PHRASES_MAX = 4096

/** @throws {RecordError} `RECORD_MALFORMED`, with the path of the member */
export function leafJson(draft: Draft, stamp: Stamp): string {
  const known = knownJson(draft, stamp)
  if (known !== undefined) return known
  const json = JSON.stringify(orderLeaf(draft, stamp))
  checkLeafJson(json)
  learn(draft.leaf)
  return json
}

/** Members that stand side by side and whose values come from small sets, as text. */
interface Phrase<T> {
  readonly of: T
  readonly text: string
}

/** From `class` to `tenant`, by action: what differs under one action is few phases, outcomes and reasons. */
const words = new Map<string, Phrase<UnstampedLeaf>[]>()
/** `method`, `route` and `route_match`, by route. */
const routes = new Map<string | undefined, Phrase<Http>[]>()
const learned = { phrases: 0 }

/** Whole members with their names, by the frozen object that says what is in them. */
const parts = new WeakMap<object, string>()

/** Ids that were checked a moment ago: the session of all records, and the record before. */
const checked: { session?: string; id?: string } = {}

type Http = NonNullable<Leaf['http']>

/** @returns `undefined` when there is something in it that the decoder must see first. */
function knownJson({ leaf, addenda }: Draft, stamp: Stamp): string | undefined {
  if (leaf.lifecycle !== undefined || leaf.egress !== undefined || leaf.cause !== undefined)
    return undefined
  // What was read is said anew each time.
  if (leaf.read !== undefined) return undefined
  if (!isStamp(leaf, stamp)) return undefined
  const phrase = wordsOf(leaf)
  const time = timeText(leaf.time)
  const trace = leaf.trace === undefined ? '' : traceText(leaf.trace)
  const actor = partText(leaf.actor)
  const destination = partText(leaf.destination)
  const decision = partText(leaf.decision)
  const service = partText(leaf.service)
  const http = leaf.http === undefined ? '' : httpText(leaf.http)
  if (phrase === undefined || time === undefined || trace === undefined) return undefined
  if (actor === undefined || destination === undefined || decision === undefined) return undefined
  if (service === undefined || http === undefined) return undefined
  const { session, seq, prev } = stamp
  return (
    `{"v":1,"id":"${leaf.id}",${phrase},"session":"${session}","seq":${seq}` +
    (prev === undefined ? time : `,"prev":"${prev}"${time}`) +
    trace +
    (leaf.request === undefined ? '' : `,"request":{"id":${quoted(leaf.request.id, leaf.id)}}`) +
    `${actor}${destination}${decision}${service}${http}${addendaText(addenda)}}`
  )
}

function isStamp({ v, id }: UnstampedLeaf, { session, seq, prev }: Stamp): boolean {
  if (v !== 1 || !isCount(seq)) return false
  if (prev !== undefined && prev !== checked.id && !isId(prev)) return false
  if (session !== checked.session && !isId(session)) return false
  checked.session = session
  if (!isId(id)) return false
  checked.id = id
  return true
}

/** Compared member by member: a key put together for a look-up costs more than all of these. */
function wordsOf(leaf: UnstampedLeaf): string | undefined {
  for (const { of, text } of words.get(leaf.action) ?? []) {
    if (
      of.phase === leaf.phase &&
      of.outcome === leaf.outcome &&
      of.reason === leaf.reason &&
      of.class === leaf.class &&
      of.crud === leaf.crud &&
      of.severity === leaf.severity &&
      of.captured === leaf.captured &&
      of.labels === leaf.labels &&
      of.env === leaf.env &&
      of.tenant === leaf.tenant
    )
      return text
  }
  return undefined
}

function routeOf({ method, route, route_match }: Http): string | undefined {
  for (const { of, text } of routes.get(route) ?? [])
    if (of.method === method && of.route_match === route_match) return text
  return undefined
}

function partText(part: object | undefined): string | undefined {
  return part === undefined ? '' : parts.get(part)
}

function timeText({ occurred, observed }: Leaf['time']): string | undefined {
  if (!DECIMAL.test(occurred)) return undefined
  if (observed === undefined) return `,"time":{"occurred":"${occurred}"}`
  return DECIMAL.test(observed)
    ? `,"time":{"occurred":"${occurred}","observed":"${observed}"}`
    : undefined
}

function traceText({ id, span, parent }: NonNullable<Leaf['trace']>): string | undefined {
  if (!HEX_32.test(id) || !HEX_16.test(span)) return undefined
  if (parent === undefined) return `,"trace":{"id":"${id}","span":"${span}"}`
  return HEX_16.test(parent)
    ? `,"trace":{"id":"${id}","span":"${span}","parent":"${parent}"}`
    : undefined
}

const countNames = [
  'status',
  'request_bytes',
  'response_bytes',
  'duration_ns',
  'first_byte_ns',
] as const

function httpText(http: Http): string | undefined {
  const phrase = routeOf(http)
  if (phrase === undefined) return undefined
  let inside = phrase
  for (const name of countNames) {
    const count = http[name]
    if (count === undefined) continue
    if (!isCount(count)) return undefined
    inside += inside === '' ? `"${name}":${count}` : `,"${name}":${count}`
  }
  return `,"http":{${inside}}`
}

function addendaText(addenda: Draft['addenda']): string {
  if (addenda.length === 0) return ''
  let list = ''
  for (const { name, content } of addenda)
    list += `${list === '' ? '' : ','}{"name":${JSON.stringify(name)},"bytes":${content.length}}`
  return `,"addenda":[${list}]`
}

/** A JSON string; a request that brought no id of its own has that of its record. */
function quoted(text: string, checkedId: string): string {
  return text === checkedId ? `"${text}"` : JSON.stringify(text)
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

/** Keeps what the decoder has just accepted, as far as it will come again. */
function learn(leaf: UnstampedLeaf): void {
  if (learned.phrases >= PHRASES_MAX) {
    words.clear()
    routes.clear()
    learned.phrases = 0
  }
  if (leaf.labels === undefined || Object.isFrozen(leaf.labels)) {
    const { class: kind, action, crud, phase, outcome, reason, severity, captured } = leaf
    const { labels, env, tenant } = leaf
    const first = { class: kind, action, crud, phase, outcome, reason, severity, captured }
    learnPhrase(words, action, { of: leaf, text: insideOf({ ...first, labels, env, tenant }) })
  }
  if (leaf.http !== undefined) {
    const { method, route, route_match } = leaf.http
    const text = insideOf({ method, route, route_match })
    learnPhrase(routes, route, { of: leaf.http, text })
  }
  learnPart('actor', leaf.actor, orderActor)
  learnPart('destination', leaf.destination, orderDestination)
  learnPart('decision', leaf.decision, orderDecision)
  learnPart('service', leaf.service, orderService)
}

/** In place of an equal one, whose labels were another array: they are compared by identity. */
function learnPhrase<K, T>(phrases: Map<K, Phrase<T>[]>, key: K, phrase: Phrase<T>): void {
  const others = (phrases.get(key) ?? []).filter(({ text }) => text !== phrase.text)
  phrases.set(key, [...others, phrase])
  learned.phrases += 1
}

/** The JSON of an object without its braces. */
function insideOf(object: object): string {
  return JSON.stringify(object).slice(1, -1)
}

function learnPart<T extends object>(
  name: string,
  part: T | undefined,
  order: (part: T) => unknown,
): void {
  if (part === undefined || !Object.isFrozen(part)) return
  parts.set(part, `,"${name}":${JSON.stringify(order(part))}`)
}
