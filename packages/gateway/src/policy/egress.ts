/**
 * Egress. Two stages, because resolving a denied name is itself a leak: `decideEgress` judges the name before
 * DNS, `decideAddresses` every address the name resolved to, and picks the one to dial.
 */
import type { Actor, Captured, Decision, RecordMode } from '@countersign/record/vocabulary'
import type {
  AcknowledgementLevel,
  CaptureDepth,
  DecisionReason,
} from '@countersign/record/vocabulary'
import type { Config, EgressConfig } from '../config/schema.ts'
import {
  acceptable,
  classifyAddress,
  looksLikeAddress,
  metadataNames,
  parseRange,
} from './address-class.ts'
import type { AddressRange, ClassifiedAddress } from './address-class.ts'
import { PolicyError } from './errors.ts'
import { compileGrants, grantsInForce } from './grants.ts'
import type { GrantIndex } from './grants.ts'
import { compileHostPatterns, findHost } from './host-pattern.ts'
import type { HostPattern, HostPatterns } from './host-pattern.ts'
import { comparableHost, decisionOf } from './verdict.ts'
import type { Recorder, Standing, Verdict } from './verdict.ts'

interface Caller {
  readonly at: string
  readonly mode: EgressConfig['mode']
  readonly recordMode: RecordMode
  readonly acknowledge: AcknowledgementLevel
  readonly depth: CaptureDepth
  readonly labels: readonly string[]
  readonly allow: HostPatterns
  readonly deny: HostPatterns
  readonly opened: readonly AddressRange[]
}

export interface Egress {
  readonly policyHash: string
  readonly mode: RecordMode
  readonly grants: GrantIndex
  readonly callers: ReadonlyMap<string, Caller>
}

/** What capture resolved, in the resolver's order, and how it knows its own listeners. */
export interface AddressTarget {
  readonly host: string
  readonly port: number
  readonly addresses: readonly string[]
  readonly service: string
  readonly own: (address: string, port: number) => boolean
}

/** The decision after DNS. `pinned` is what to dial; absent when refused. */
export interface AddressDecision {
  readonly decision: Decision
  readonly pinned?: string
  /** Public and non-public answers for one name. */
  readonly mixed: boolean
}

/** @throws {PolicyError} */
export function compileEgress(config: Config, policyHash: string): Egress {
  const callers = new Map<string, Caller>()
  for (const [name, { egress }] of Object.entries(config.services)) {
    if (egress === undefined) continue
    const at = `services.${name}.egress`
    callers.set(name, {
      at,
      mode: egress.mode,
      recordMode: egress.recordMode ?? config.ledger.mode,
      acknowledge: egress.acknowledge,
      depth: egress.record,
      labels: egress.labels,
      allow: compileHostPatterns(egress.allow),
      deny: compileHostPatterns(egress.deny),
      opened: egress.allowPrivate.map((text, index) =>
        openedRange(text, `${at}.allowPrivate[${index}]`),
      ),
    })
  }
  return { policyHash, mode: config.ledger.mode, grants: compileGrants(config), callers }
}

/** The name stage, before DNS. The floor comes first, then deny, then allow: nothing later can undo a refusal. */
export function decideEgress(
  egress: Egress,
  request: { readonly actor: Actor; readonly captured: Captured },
  recorder?: Recorder,
): Decision {
  const { actor, captured } = request
  const caller = actor.type === 'service' ? egress.callers.get(actor.name) : undefined
  const standing = standingOf(egress, request, caller)
  if (caller === undefined) {
    const verdict = unregistered(actor)
    recorder?.push({
      at: 'services',
      looked: `caller of type ${actor.type}`,
      outcome: verdict.explanation,
    })
    return decisionOf(standing, verdict)
  }
  recorder?.push({
    at: caller.at,
    looked: `caller ${actor.name}`,
    outcome: `registered, mode ${caller.mode}`,
  })

  const host = comparableHost(captured.request.host)
  const verdict =
    judgeHost(host, caller) ??
    judgeDenied(host, captured, caller) ??
    judgeListed(host, captured, caller)
  recorder?.push({
    at: verdict.rule,
    looked: `host ${host}, port ${captured.request.port}`,
    outcome: verdict.explanation,
  })
  return decisionOf(standing, verdict)
}

/** The address stage. Every answer is classified; one metadata address or own listener refuses them all. */
export function decideAddresses(
  egress: Egress,
  decision: Decision,
  target: AddressTarget,
): AddressDecision {
  const caller = egress.callers.get(target.service)
  if (!decision.allowed || caller === undefined) {
    const refused = decision.allowed ? { ...decision, ...callerGone } : decision
    return { decision: refused, mixed: false }
  }
  const answers = target.addresses.map(classifyAddress)
  const publicCount = answers.filter((answer) => answer.kind === 'public').length
  const mixed = publicCount > 0 && publicCount < answers.length
  const refuse = (verdict: Verdict): AddressDecision => ({
    decision: { ...decision, ...verdict, wouldDeny: false },
    mixed,
  })

  if (metadataNames.includes(comparableHost(target.host))) return refuse(metadataName)
  if (answers.some((answer) => answer.kind === 'metadata')) return refuse(metadataAnswer)
  if (answers.some((answer) => isOwn(answer, target))) return refuse(ownListener)
  if (mixed && caller.mode === 'enforce') return refuse(mixedAnswer(caller))
  // The resolver's order stands: the system has sorted by RFC 6724, which knows what this machine can reach.
  const pinned = answers.find((answer) => acceptable(answer, caller.opened))
  if (pinned === undefined) return refuse(forbiddenAddress(answers, caller))
  const wouldDeny = decision.wouldDeny || mixed
  return { decision: { ...decision, wouldDeny }, pinned: pinned.text, mixed }
}

// Attacker-controlled: the host is whatever the caller wrote, in any of the spellings resolvers understand.
function judgeHost(host: string, caller: Caller): Verdict | undefined {
  if (metadataNames.includes(host)) return metadataName
  if (looksLikeAddress(host)) {
    const address = classifyAddress(host)
    if (address.kind === 'metadata') return metadataAnswer
    return acceptable(address, caller.opened) ? undefined : forbiddenAddress([address], caller)
  }
  return isName(host) ? undefined : notAName
}

function judgeDenied(host: string, captured: Captured, caller: Caller): Verdict | undefined {
  const { port } = captured.request
  const denied = findHost(
    caller.deny,
    host,
    (pattern) => pattern.port === undefined || pattern.port === port,
  )
  if (denied === undefined) return undefined
  const rule = `${caller.at}.deny[${denied.index}]: ${denied.text}`
  return {
    allowed: false,
    reason: 'denied_explicitly',
    rule,
    explanation: `${denied.text} is denied`,
  }
}

function judgeListed(host: string, captured: Captured, caller: Caller): Verdict {
  const { port } = captured.request
  const usualPort = usualPortOf(captured)
  const listed = findHost(caller.allow, host, (pattern) => (pattern.port ?? usualPort) === port)
  if (listed !== undefined) {
    return {
      allowed: true,
      reason: 'egress_allowed',
      rule: allowRule(caller, listed),
      explanation: `${listed.text} is listed`,
    }
  }
  const otherPort = findHost(caller.allow, host, () => true)
  const rule = `${caller.at}.mode: ${caller.mode}`
  const why =
    otherPort === undefined
      ? 'no allow pattern names the host'
      : `${otherPort.text} does not name port ${port}`
  if (caller.mode === 'enforce') {
    return otherPort === undefined
      ? { allowed: false, reason: 'egress_not_listed', rule, explanation: why }
      : {
          allowed: false,
          reason: 'port_forbidden',
          rule: allowRule(caller, otherPort),
          explanation: why,
        }
  }
  const reason: DecisionReason = caller.mode === 'open' ? 'egress_open' : 'egress_reported'
  return {
    allowed: true,
    wouldDeny: true,
    reason,
    rule,
    explanation: `${why}; mode ${caller.mode} lets it pass`,
  }
}

/** A pattern without a port means the scheme's own: CONNECT is for TLS. */
function usualPortOf(captured: Captured): number {
  return captured.kind === 'connect' || captured.request.scheme === 'https' ? 443 : 80
}

function allowRule(caller: Caller, pattern: HostPattern): string {
  return `${caller.at}.allow[${pattern.index}]: ${pattern.text}`
}

function isName(host: string): boolean {
  return host.length <= 253 && /^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/.test(host)
}

/** Own listeners are known by any spelling of their address, also the mapped one. */
function isOwn(answer: ClassifiedAddress, target: AddressTarget): boolean {
  if (target.own(answer.text, target.port)) return true
  return answer.embedded.some((inner) => target.own(inner.text, target.port))
}

const metadataName: Verdict = {
  allowed: false,
  reason: 'metadata_address',
  rule: 'floor: metadata name',
  explanation: 'the host names an instance metadata service; no rule opens it',
}
const metadataAnswer: Verdict = {
  allowed: false,
  reason: 'metadata_address',
  rule: 'floor: metadata address',
  explanation: 'the address is that of an instance metadata service; no rule opens it',
}
const ownListener: Verdict = {
  allowed: false,
  reason: 'own_listener',
  rule: 'floor: own listener',
  explanation: 'the address is a listener of this gateway',
}
const notAName: Verdict = {
  allowed: false,
  reason: 'address_forbidden',
  rule: 'floor: host syntax',
  explanation: 'the host is neither a DNS name nor an address in canonical form',
}
const callerGone: Verdict = {
  allowed: false,
  reason: 'unregistered_caller',
  rule: 'services: no egress block',
  explanation: 'the calling service may call nothing',
}

function mixedAnswer(caller: Caller): Verdict {
  return {
    allowed: false,
    reason: 'mixed_addresses',
    rule: `${caller.at}.mode: ${caller.mode}`,
    explanation: 'the name resolves to public and to non-public addresses',
  }
}

function forbiddenAddress(answers: readonly ClassifiedAddress[], caller: Caller): Verdict {
  const ranges = [...new Set(answers.map((answer) => answer.range))].toSorted().join(', ')
  return {
    allowed: false,
    reason: 'address_forbidden',
    rule: `${caller.at}.allowPrivate`,
    explanation:
      ranges === ''
        ? 'the name has no address'
        : `not a public address (${ranges}), and allowPrivate does not open it`,
  }
}

function unregistered(actor: Actor): Verdict {
  if (actor.type === 'unknown') {
    const defects = actor.credential.defects.join(', ') || 'no reason known'
    return { ...callerGone, explanation: `the caller's credential proves nothing: ${defects}` }
  }
  if (actor.type !== 'service')
    return { ...callerGone, explanation: 'the caller is not known to be a service' }
  return callerGone
}

function standingOf(
  egress: Egress,
  request: { readonly actor: Actor; readonly captured: Captured },
  caller: Caller | undefined,
): Standing {
  const { actor, captured } = request
  const isTunnel = captured.kind === 'connect'
  const roles = new Set(
    grantsInForce(egress.grants, actor, captured.occurredNs).map((grant) => grant.role),
  )
  return {
    policyHash: egress.policyHash,
    mode: caller?.recordMode ?? egress.mode,
    acknowledge: caller?.acknowledge ?? 'D0',
    // A tunnel that is not opened shows nothing to record, whatever is asked for.
    depth: isTunnel ? 'opaque' : (caller?.depth ?? 'meta'),
    labels: caller?.labels ?? [],
    roles: [...roles].toSorted(),
    action: isTunnel ? 'egress.connect' : 'egress.request',
    ...(caller === undefined ? undefined : { service: actor.name }),
    routeMatch: 'declared',
  }
}

function openedRange(text: string, at: string): AddressRange {
  const range = parseRange(text)
  if (range === undefined)
    throw new PolicyError('POLICY_RANGE_INVALID', `${at}: '${text}' is not a CIDR range`)
  return range
}
