/**
 * The text of a leaf by concatenation, for the records of requests: there are two a request, and JSON.stringify with a check of
 * its output took most of an encoding. The decoder still judges: what comes from closed sets is checked when a combination is
 * first seen, what differs in every record is checked here, and what is rare goes the other way.
 */
import { checkLeafJson } from './decode.ts'
import { isId } from './id.ts'
import type { Draft, Leaf, UnstampedLeaf } from './leaf.ts'
import type { Stamp } from './encode-leaf.ts'

// Printable ASCII that JSON writes as it is.
const PLAIN = /^[ !#-[\]-~]*$/
const HEX_32 = /^[0-9a-f]{32}$/
const HEX_16 = /^[0-9a-f]{16}$/
const DECIMAL = /^(?:0|[1-9][0-9]{0,19})$/

/** Combinations that the decoder has accepted. A gateway has as many as it has rules; past the limit all are judged anew. */
const vouched = new Set<string>()
const VOUCHED_MAX = 4096

/**
 * Writes a leaf as `JSON.stringify(orderLeaf(draft, stamp))` would.
 * @returns `undefined` for a leaf with rare members, or with a value that a reader may refuse.
 * @throws {RecordError} `RECORD_MALFORMED`
 */
export function plainLeafJson(draft: Draft, stamp: Stamp): string | undefined {
  const json = joined(draft, stamp)
  if (json === undefined) return undefined
  const words = wordsOf(draft.leaf)
  if (vouched.has(words)) return json
  checkLeafJson(json)
  if (vouched.size >= VOUCHED_MAX) vouched.clear()
  vouched.add(words)
  return json
}

/** Every value of a leaf that `joined` does not check by itself, as one key. */
function wordsOf(leaf: UnstampedLeaf): string {
  const { actor, destination, decision } = leaf
  const credential = actor?.credential
  return (
    `${leaf.class} ${leaf.phase} ${leaf.v} ${leaf.crud} ${leaf.outcome} ${leaf.severity} ${leaf.captured} ` +
    `${actor?.type} ${credential?.kind} ${credential?.mfa} ${credential?.defects.join()} ` +
    `${destination?.registered} ${destination?.allowed} ` +
    `${decision?.allowed} ${decision?.would_deny} ${decision?.mode} ${leaf.http?.route_match}`
  )
}

function joined({ leaf, addenda }: Draft, stamp: Stamp): string | undefined {
  if (leaf.lifecycle !== undefined || leaf.egress !== undefined || leaf.cause !== undefined)
    return undefined
  const { session, seq, prev } = stamp
  if (!isId(leaf.id) || !isId(session) || !isCount(seq)) return undefined
  if (prev !== undefined && !isId(prev)) return undefined
  const time = timeJson(leaf.time)
  const trace = traceJson(leaf.trace)
  const http = httpJson(leaf.http)
  if (!isCount(leaf.destination?.port ?? 0) || !isCount(leaf.actor?.credential?.expires ?? 0))
    return undefined
  if (time === undefined || trace === undefined || http === undefined) return undefined
  return (
    `{"v":1,"id":"${leaf.id}","class":"${leaf.class}","action":${text(leaf.action)}` +
    `${member('crud', leaf.crud)},"phase":"${leaf.phase}"${member('outcome', leaf.outcome)}` +
    `${member('reason', leaf.reason)}${member('severity', leaf.severity)}${member('captured', leaf.captured)}` +
    `${list('labels', leaf.labels)}${member('env', leaf.env)}${member('tenant', leaf.tenant)}` +
    `,"session":"${session}","seq":${seq}${prev === undefined ? '' : `,"prev":"${prev}"`}` +
    `${time}${trace}` +
    `${leaf.request === undefined ? '' : `,"request":{"id":${text(leaf.request.id)}}`}` +
    `${actorJson(leaf.actor)}${destinationJson(leaf.destination)}${decisionJson(leaf.decision)}` +
    `${serviceJson(leaf.service)}${http}${addendaJson(addenda)}}`
  )
}

function timeJson({ occurred, observed }: Leaf['time']): string | undefined {
  if (!DECIMAL.test(occurred)) return undefined
  if (observed === undefined) return `,"time":{"occurred":"${occurred}"}`
  if (!DECIMAL.test(observed)) return undefined
  return `,"time":{"occurred":"${occurred}","observed":"${observed}"}`
}

function traceJson(trace: Leaf['trace']): string | undefined {
  if (trace === undefined) return ''
  const { id, span, parent } = trace
  if (!HEX_32.test(id) || !HEX_16.test(span)) return undefined
  if (parent === undefined) return `,"trace":{"id":"${id}","span":"${span}"}`
  return HEX_16.test(parent)
    ? `,"trace":{"id":"${id}","span":"${span}","parent":"${parent}"}`
    : undefined
}

function actorJson(actor: Leaf['actor']): string {
  if (actor === undefined) return ''
  const { credential } = actor
  return (
    `,"actor":{"id":${text(actor.id)},"type":"${actor.type}"${list('roles', actor.roles)}` +
    `${credential === undefined ? '' : `,"credential":${credentialJson(credential)}`}}`
  )
}

function credentialJson(credential: NonNullable<NonNullable<Leaf['actor']>['credential']>): string {
  const { expires, mfa } = credential
  return (
    `{"kind":"${credential.kind}"${member('fingerprint', credential.fingerprint)}` +
    `${member('issuer', credential.issuer)}${list('audience', credential.audience)}` +
    `${count('expires', expires)}${mfa === undefined ? '' : `,"mfa":${mfa}`}` +
    `${list('defects', credential.defects)}}`
  )
}

function destinationJson(destination: Leaf['destination']): string {
  if (destination === undefined) return ''
  const { service, host, port, registered, allowed } = destination
  const members =
    `${member('service', service)}${member('host', host)}${count('port', port)}` +
    `,"registered":${registered},"allowed":${allowed}`
  return `,"destination":{${members.slice(1)}}`
}

function decisionJson(decision: Leaf['decision']): string {
  if (decision === undefined) return ''
  return (
    `,"decision":{"allowed":${decision.allowed},"rule":${text(decision.rule)}` +
    `,"reason":${text(decision.reason)},"policy":${text(decision.policy)}` +
    `,"would_deny":${decision.would_deny},"mode":"${decision.mode}"}`
  )
}

function serviceJson(service: Leaf['service']): string {
  if (service === undefined) return ''
  return `,"service":{"name":${text(service.name)}${member('owner', service.owner)}${member('instance', service.instance)}}`
}

function httpJson(http: Leaf['http']): string | undefined {
  if (http === undefined) return ''
  const { status, request_bytes, response_bytes, duration_ns, first_byte_ns } = http
  for (const value of [status, request_bytes, response_bytes, duration_ns, first_byte_ns]) {
    if (value !== undefined && !isCount(value)) return undefined
  }
  const members =
    `${member('method', http.method)}${member('route', http.route)}${member('route_match', http.route_match)}` +
    `${count('status', status)}${count('request_bytes', request_bytes)}${count('response_bytes', response_bytes)}` +
    `${count('duration_ns', duration_ns)}${count('first_byte_ns', first_byte_ns)}`
  return `,"http":{${members.slice(1)}}`
}

function addendaJson(addenda: Draft['addenda']): string {
  if (addenda.length === 0) return ''
  let json = ''
  for (const { name, content } of addenda) {
    json += `${json === '' ? '' : ','}{"name":${text(name)},"bytes":${content.length}}`
  }
  return `,"addenda":[${json}]`
}

function text(value: string): string {
  return PLAIN.test(value) ? `"${value}"` : JSON.stringify(value)
}

function member(name: string, value: string | undefined): string {
  return value === undefined ? '' : `,"${name}":${text(value)}`
}

function count(name: string, value: number | undefined): string {
  return value === undefined ? '' : `,"${name}":${value}`
}

function list(name: string, values: readonly string[] | undefined): string {
  if (values === undefined) return ''
  let json = ''
  for (const value of values) json += json === '' ? text(value) : `,${text(value)}`
  return `,"${name}":[${json}]`
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0)
}
