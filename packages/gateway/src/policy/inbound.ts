/** Inbound: Host to service, method and path to route, route to permission, permission to a grant of the actor. */
import type {
  AcknowledgementLevel,
  Actor,
  Captured,
  Decision,
  RecordMode,
} from '@countersign/record/vocabulary'
import { parseRouteTemplate } from '../config/schema.ts'
import type { Config, RouteConfig, RouteTemplate } from '../config/schema.ts'
import { PolicyError } from './errors.ts'
import { compileGrants, endsOf, grantsInForce, rolesWith } from './grants.ts'
import type { Grant, GrantIndex } from './grants.ts'
import { compileHostPatterns, findHost } from './host-pattern.ts'
import type { HostPatterns } from './host-pattern.ts'
import { addRoute, createRouteTable, findRoute, splitPath } from './route-table.ts'
import type { RouteTable } from './route-table.ts'
import { comparableHost, decisionOf } from './verdict.ts'
import type { Recorder, Standing, Verdict } from './verdict.ts'

interface Route {
  readonly at: string
  readonly rule: string
  readonly service: string
  readonly template: string
  readonly action: string
  readonly permission: string | undefined
  readonly isPublic: boolean
  readonly roles: ReadonlySet<string>
  readonly mode: RecordMode
  readonly acknowledge: AcknowledgementLevel
  readonly depth: RouteConfig['record']
  readonly labels: readonly string[]
}

/** What answers on one host name. Denials stand apart, so that no better match can win over one. */
interface Site {
  readonly services: string[]
  readonly denied: RouteTable<Route>
  readonly routes: RouteTable<Route>
}

export interface Inbound {
  readonly policyHash: string
  readonly mode: RecordMode
  readonly grants: GrantIndex
  /** When grants end, ascending: between two of these moments everybody's stay the same. */
  readonly grantEnds: readonly bigint[]
  /** Exact names and `*.suffix` patterns, to sites by pattern text. */
  readonly hosts: HostPatterns
  readonly hostTexts: readonly string[]
  readonly sites: ReadonlyMap<string, Site>
  readonly fallback: Site | undefined
  /** By actor, for as long as identity gives out the same one. Holds nothing that could not be worked out again. */
  readonly rights: WeakMap<Actor, Rights>
}

/**
 * What was worked out for one actor. Its grants in force, and with them its decisions, stay the same from one end of a grant
 * to the next.
 */
interface Rights {
  readonly fromNs: bigint
  readonly untilNs: bigint
  readonly grants: readonly Grant[]
  readonly roles: readonly string[]
  /**
   * One decision for each route: frozen, and the same object each time, so that others can remember what they make of it.
   * None for an actor that is not remembered itself.
   */
  readonly decisions: Map<Route, Decision> | undefined
}

/** @throws {PolicyError} */
export function compileInbound(config: Config, policyHash: string): Inbound {
  const sites = new Map<string, Site>()
  const holders = new Map<string, ReadonlySet<string>>()
  for (const [name, service] of Object.entries(config.services)) {
    if (service.routes.length === 0) continue
    const siteKeys = service.hosts.length === 0 ? ['*'] : service.hosts
    for (const key of siteKeys) {
      const site = sites.get(key) ?? {
        services: [],
        denied: createRouteTable(),
        routes: createRouteTable(),
      }
      site.services.push(name)
      sites.set(key, site)
    }
    for (const [index, route] of service.routes.entries()) {
      const { compiled, template } = compileRoute({ config, name, index, route, holders })
      for (const key of siteKeys) placeRoute(sites.get(key), route.deny, { compiled, template })
    }
  }
  const hostTexts = mostSpecificFirst([...sites.keys()].filter((key) => key !== '*'))
  const grants = compileGrants(config)
  return {
    policyHash,
    mode: config.ledger.mode,
    grants,
    grantEnds: endsOf(grants),
    hosts: compileHostPatterns(hostTexts),
    hostTexts,
    sites,
    fallback: sites.get('*'),
    rights: new WeakMap(),
  }
}

/** The walk. Same input, same answer; with a recorder it also says what it looked at. */
export function decideInbound(
  inbound: Inbound,
  request: { readonly actor: Actor; readonly captured: Captured },
  recorder?: Recorder,
): Decision {
  const { actor, captured } = request
  const { method, path } = captured.request
  const rights = rightsOf(inbound, actor, captured.occurredNs)
  const { grants, roles } = rights
  if (recorder !== undefined) explainGrants(recorder, grants)

  const site = findSite(inbound, captured.request.host, recorder)
  if (site === undefined) return decisionOf(unplaced(inbound, roles, undefined), noService)

  const segments = splitPath(path) ?? noSegments
  const denied = findDenied(site, method, segments)
  if (denied !== undefined) {
    recorder?.push({
      at: denied.at,
      looked: `${method} ${denied.template}`,
      outcome: 'denied explicitly: final',
    })
    return (
      rights.decisions?.get(denied) ??
      remember({ inbound, rights, route: denied }, deniedExplicitly(denied))
    )
  }
  const { route, pathKnown } = findRoute(site.routes, method, segments)
  if (route === undefined) {
    const verdict = noRoute(site, pathKnown)
    recorder?.push({
      at: siteName(site),
      looked: `${method} and the path`,
      outcome: verdict.explanation,
    })
    const standing = unplaced(inbound, roles, site)
    return decisionOf(pathKnown ? { ...standing, routeMatch: 'mismatch' } : standing, verdict)
  }
  recorder?.push({
    at: route.at,
    looked: `${method} and the path`,
    outcome: `matches ${route.template}`,
  })
  const decision =
    rights.decisions?.get(route) ??
    remember({ inbound, rights, route }, authorise(route, actor, grants))
  recorder?.push({
    at: route.at,
    looked: route.permission ?? 'public',
    outcome: decision.explanation,
  })
  return decision
}

function rightsOf(inbound: Inbound, actor: Actor, nowNs: bigint): Rights {
  const known = inbound.rights.get(actor)
  if (known !== undefined && nowNs >= known.fromNs && nowNs < known.untilNs) return known
  const grants = grantsInForce(inbound.grants, actor, nowNs)
  const rights = {
    fromNs: inbound.grantEnds.findLast((endNs) => endNs <= nowNs) ?? 0n,
    untilNs: inbound.grantEnds.find((endNs) => endNs > nowNs) ?? never,
    grants,
    roles: rolesOf(grants),
    // Attacker-controlled: whoever presents rubbish is a new actor each time, and none to remember.
    decisions: actor.type === 'unknown' ? undefined : new Map<Route, Decision>(),
  }
  if (rights.decisions !== undefined) inbound.rights.set(actor, rights)
  return rights
}

/** After every clock. */
const never = 2n ** 64n

interface Place {
  readonly inbound: Inbound
  readonly rights: Rights
  readonly route: Route
}

function remember({ inbound, rights, route }: Place, verdict: Verdict): Decision {
  const decision = decisionOf(standingOn(inbound, route, rights.roles), verdict)
  rights.decisions?.set(route, Object.freeze(decision))
  return decision
}

function authorise(route: Route, actor: Actor, grants: readonly Grant[]): Verdict {
  if (route.isPublic) {
    return { allowed: true, reason: 'public', rule: route.rule, explanation: 'the route is public' }
  }
  let best: Grant | undefined
  for (const grant of grants) {
    if (route.roles.has(grant.role) && (best === undefined || grant.index < best.index))
      best = grant
  }
  if (best !== undefined) {
    return {
      allowed: true,
      reason: 'granted',
      rule: best.rule,
      explanation: `role ${best.role} carries ${route.permission}`,
    }
  }
  const refused = { allowed: false, rule: route.rule }
  if (actor.type === 'anonymous') {
    const explanation = `${route.permission} is needed, and no credential was presented`
    return { ...refused, reason: 'no_credential', explanation }
  }
  if (actor.type === 'unknown') {
    const defects = actor.credential.defects.join(', ') || 'no reason known'
    return {
      ...refused,
      reason: 'bad_credential',
      explanation: `the credential proves nothing: ${defects}`,
    }
  }
  const explanation = `${route.permission} is needed, and no grant in force carries it`
  return { ...refused, reason: 'no_grant', explanation }
}

/** Some servers drop `;parameters` from a segment before they route: a denial must hold for what they will see, too. */
function findDenied(site: Site, method: string, segments: readonly string[]): Route | undefined {
  const denied = findRoute(site.denied, method, segments).route
  if (denied !== undefined || !segments.some((segment) => segment.includes(';'))) return denied
  const bare = segments.map((segment) => segment.replace(/;.*$/s, ''))
  return findRoute(site.denied, method, bare).route
}

function findSite(inbound: Inbound, rawHost: string, recorder: Recorder): Site | undefined {
  const host = comparableHost(rawHost)
  const pattern =
    inbound.hostTexts.length === 0 ? undefined : findHost(inbound.hosts, host, () => true)
  const site = pattern === undefined ? inbound.fallback : inbound.sites.get(pattern.text)
  recorder?.push({
    at: 'services',
    looked: `host ${host}`,
    outcome:
      site === undefined
        ? 'no service answers to it'
        : `${site.services.join(', ')} by ${pattern?.text ?? 'having no hosts'}`,
  })
  return site
}

/** Of a path that means nothing; every path has at least one segment. */
const noSegments: readonly string[] = []

const noService: Verdict = {
  allowed: false,
  reason: 'no_service',
  rule: 'services: no host matches',
  explanation: 'no service answers to this host',
}

function noRoute(site: Site, pathKnown: boolean): Verdict {
  const explanation = pathKnown
    ? 'the path is declared, but not for this method'
    : 'no route is declared for this path'
  return {
    allowed: false,
    reason: 'no_route',
    rule: `${siteName(site)}: no route matches`,
    explanation,
  }
}

function deniedExplicitly(route: Route): Verdict {
  return {
    allowed: false,
    reason: 'denied_explicitly',
    rule: route.rule,
    explanation: 'the route is denied to everybody',
  }
}

function siteName(site: Site): string {
  const only = site.services.length === 1 ? site.services[0] : undefined
  return only === undefined ? 'services' : `services.${only}.routes`
}

function unplaced(inbound: Inbound, roles: readonly string[], site: Site | undefined): Standing {
  const only = site?.services.length === 1 ? site.services[0] : undefined
  return {
    policyHash: inbound.policyHash,
    mode: inbound.mode,
    acknowledge: 'D0',
    depth: 'meta',
    labels: [],
    roles,
    action: 'http.request',
    ...(only === undefined ? undefined : { service: only }),
    routeMatch: 'undeclared',
  }
}

function standingOn(inbound: Inbound, route: Route, roles: readonly string[]): Standing {
  return {
    policyHash: inbound.policyHash,
    mode: route.mode,
    acknowledge: route.acknowledge,
    depth: route.depth,
    labels: route.labels,
    roles,
    action: route.action,
    service: route.service,
    route: route.template,
    routeMatch: 'declared',
  }
}

function rolesOf(grants: readonly Grant[]): readonly string[] {
  const roles: string[] = []
  for (const grant of grants) if (!roles.includes(grant.role)) roles.push(grant.role)
  return roles.length > 1 ? roles.toSorted() : roles
}

function explainGrants(recorder: NonNullable<Recorder>, grants: readonly Grant[]): void {
  for (const grant of grants) {
    recorder.push({
      at: `grants[${grant.index}]`,
      looked: 'the actor and the date',
      outcome: `in force: role ${grant.role}`,
    })
  }
  if (grants.length === 0)
    recorder.push({ at: 'grants', looked: 'the actor and the date', outcome: 'none in force' })
}

interface RouteSource {
  readonly config: Config
  readonly name: string
  readonly index: number
  readonly route: RouteConfig
  /** Cache: which roles carry a permission. */
  readonly holders: Map<string, ReadonlySet<string>>
}

function compileRoute(source: RouteSource): { compiled: Route; template: RouteTemplate } {
  const { config, name, index, route } = source
  const at = `services.${name}.routes[${index}]`
  const template = parseRouteTemplate(route.match)
  if ('problem' in template)
    throw new PolicyError('POLICY_TEMPLATE_INVALID', `${at}: ${template.problem}`)
  if (!route.deny && route.public === (route.permission !== undefined)) {
    throw new PolicyError(
      'POLICY_ROUTE_UNGUARDED',
      `${at} needs a permission or 'public: true', and not both`,
    )
  }
  const { permission } = route
  let roles: ReadonlySet<string> = new Set()
  if (permission !== undefined) {
    roles = source.holders.get(permission) ?? rolesWith(config.roles, permission)
    source.holders.set(permission, roles)
  }
  const compiled = {
    at,
    rule: `${at}: ${route.match}`,
    service: name,
    template: template.template,
    action: route.action ?? permission ?? `${name}.request`,
    permission,
    isPublic: route.public,
    roles,
    mode: route.mode ?? config.ledger.mode,
    acknowledge: route.acknowledge,
    depth: route.record,
    // Frozen as the decision that holds it.
    labels: Object.freeze([...route.labels]),
  }
  return { compiled, template }
}

function placeRoute(
  site: Site | undefined,
  deny: boolean,
  route: { compiled: Route; template: RouteTemplate },
): void {
  if (site === undefined) return
  const standing = addRoute(deny ? site.denied : site.routes, route.template, route.compiled)
  if (standing === undefined) return
  throw new PolicyError(
    'POLICY_ROUTE_AMBIGUOUS',
    `${route.compiled.rule} and ${standing.rule} take the same requests`,
  )
}

/** Names before suffixes, and longer suffixes before shorter ones: the first that fits is then the closest. */
function mostSpecificFirst(texts: readonly string[]): string[] {
  return texts.toSorted((a, b) => hostRank(a) - hostRank(b) || (a < b ? -1 : 1))
}

function hostRank(text: string): number {
  return text.startsWith('*') ? 1_000 - text.length : 0
}
