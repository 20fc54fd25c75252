/**
 * Reading the log is access: who may ask it, and as what. Entries of `reader.access`, the teams that own services, and the
 * operator of the data folder become what a reader is granted; without one of them nobody reads anything but the public page.
 */
import { hash } from 'node:crypto'
import type { LogRole, ReadAccess, ReadScope, Unmasking } from '@countersign/record/reading'
import type { Actor, Captured, Decision } from '@countersign/record/vocabulary'
import { parseRouteTemplate } from '../config/schema.ts'
import type { Config } from '../config/schema.ts'
import { canonicalJson } from './canonical-json.ts'
import { PolicyError } from './errors.ts'
import { compileGrants, grantsInForce } from './grants.ts'
import type { Grant, GrantIndex } from './grants.ts'
import { addRoute, createRouteTable, findRoute, splitPath } from './route-table.ts'
import type { RouteTable } from './route-table.ts'
import { decisionOf } from './verdict.ts'
import type { Recorder, Standing, Step, Verdict } from './verdict.ts'

/** One thing that the API offers: its method, its path as a template, what it is called on record, and what it does. */
export interface ReadRoute {
  readonly method: string
  readonly template: string
  readonly action: string
  readonly crud: Crud
}

type Crud = 'create' | 'read' | 'update' | 'delete' | 'execute'

/** Who may read, compiled. Pure: no I/O, no clock but the request's own `occurredNs`, same input, same answer. */
export interface Reading {
  /** SHA-256 (hex) of everything the answers depend on. */
  readonly hash: string
  /** What an actor is granted at a time (nanoseconds since the epoch), in the order of the file; the operator's comes last. */
  accesses(actor: Actor, nowNs: bigint): readonly ReadAccess[]
  /** Whether a request to the API is served at all: its route, and one access of the role that it asks for, or of any. */
  decide(actor: Actor, captured: Captured): Decision
  /** The same walk as `decide`, with every step said. */
  explain(actor: Actor, captured: Captured): { decision: Decision; steps: readonly Step[] }
  /** What a request is on record: class `read`, and what its route does. */
  kindOf(decision: Decision): { readonly class: 'read'; readonly crud?: Crud }
}

/** What a reading depends on. */
export type ReadingConfig = Pick<Config, 'reader' | 'services'>

/** The header by which a reader says as whom it reads. */
const ROLE_HEADER = 'countersign-role'

/** Routes that anybody may call, and that are recorded all the same: they hold nothing of the log. */
const PUBLIC_TEMPLATES: readonly string[] = ['/', '/openapi.json']

/** Raised when this code would answer otherwise for the same configuration: it is part of the hash. */
const engineVersion = 1

/** On which condition each role sees sealed content: content about others never without somebody saying why. */
const UNMASKING: Readonly<Record<LogRole, Unmasking>> = {
  subject: 'always',
  viewer: 'never',
  owner: 'with_purpose',
  auditor: 'with_purpose',
  investigator: 'with_approval',
}

type Entry = Config['reader']['access'][number]

interface Compiled {
  readonly hash: string
  readonly entries: readonly Entry[]
  readonly operator: Config['reader']['operator']
  readonly grants: GrantIndex
  readonly table: RouteTable<ReadRoute>
  /** Names of the services of a team. */
  readonly servicesOf: ReadonlyMap<string, readonly string[]>
}

/**
 * Compiles who may read the log.
 * @param routes what the API offers; `{rest...}` may end a template.
 * @throws {PolicyError} `POLICY_TEMPLATE_INVALID` for a template that is none, or that another takes.
 */
export function compileReading(config: ReadingConfig, routes: readonly ReadRoute[]): Reading {
  const { access, operator } = config.reader
  const teams = teamsOf(config)
  const dependencies = {
    engineVersion,
    access,
    operator,
    teams,
    routes,
    PUBLIC_TEMPLATES,
    UNMASKING,
  }
  const compiled: Compiled = {
    hash: hash('sha256', canonicalJson(dependencies), 'hex'),
    entries: access,
    operator,
    grants: compileGrants({ roles: UNMASKING, grants: access }, 'reader.access'),
    table: tableOf(routes),
    servicesOf: new Map(Object.entries(teams)),
  }
  const cruds = new Map(routes.map(({ action, crud }) => [action, crud]))
  return {
    hash: compiled.hash,
    accesses: (actor, nowNs) => accessesOf(compiled, actor, nowNs),
    decide: (actor, captured) => walk(compiled, { actor, captured }),
    explain: (actor, captured) => {
      const steps: Step[] = []
      return { decision: walk(compiled, { actor, captured }, steps), steps }
    },
    kindOf({ action }) {
      const crud = cruds.get(action)
      return crud === undefined ? { class: 'read' } : { class: 'read', crud }
    },
  }
}

function teamsOf({ services }: ReadingConfig): Record<string, string[]> {
  const teams: Record<string, string[]> = {}
  for (const [name, { owner }] of Object.entries(services)) {
    if (owner !== undefined) (teams[owner.team] ??= []).push(name)
  }
  return teams
}

function tableOf(routes: readonly ReadRoute[]): RouteTable<ReadRoute> {
  const table = createRouteTable<ReadRoute>()
  for (const route of routes) {
    const match = `${route.method} ${route.template}`
    const template = parseRouteTemplate(match)
    const why =
      'problem' in template
        ? template.problem
        : addRoute(table, template, route) && 'another takes the same requests'
    if (why !== undefined)
      throw new PolicyError('POLICY_TEMPLATE_INVALID', `the API offers ${match}: ${why}`)
  }
  return table
}

function accessesOf(compiled: Compiled, actor: Actor, nowNs: bigint): ReadAccess[] {
  const granted = grantsInForce(compiled.grants, actor, nowNs)
    .toSorted((a, b) => a.index - b.index)
    // One entry that names an actor twice, as itself and by its group, is one access.
    .filter(({ index }, at, all) => all[at - 1]?.index !== index)
    .flatMap((grant) => accessOf(compiled, actor, grant))
  const operators = actor.credential.kind === 'operator_key' ? operatorAccess(compiled) : []
  return [...granted, ...operators]
}

function accessOf(
  { entries, servicesOf }: Compiled,
  actor: Actor,
  { index, rule }: Grant,
): ReadAccess[] {
  const entry = entries[index]
  if (entry === undefined) return []
  const { role } = entry
  const access = { role, rule, unmask: UNMASKING[role] }
  if (role === 'subject') return [{ ...access, scope: { kind: 'self', actor: actor.id } }]
  if (role === 'auditor' || role === 'investigator') return [{ ...access, scope: { kind: 'all' } }]
  const services =
    role === 'viewer'
      ? (entry.services ?? [])
      : actor.groups.flatMap((group) => servicesOf.get(group) ?? [])
  // An owner of nothing reads nothing, and so is refused and not shown an empty log.
  if (services.length === 0) return []
  return [{ ...access, scope: { kind: 'services', services: [...new Set(services)].toSorted() } }]
}

/** By the credential alone, which no file and no token gives: whoever can read the data folder can read the log anyhow, and asking this way is on record. */
function operatorAccess({ operator }: Compiled): ReadAccess[] {
  if (operator === 'none') return []
  const rule = `reader.operator: ${operator}`
  return [{ role: operator, rule, scope: { kind: 'all' }, unmask: UNMASKING[operator] }]
}

interface Request {
  readonly actor: Actor
  readonly captured: Captured
}

function walk(compiled: Compiled, { actor, captured }: Request, recorder?: Recorder): Decision {
  const { method, path } = captured.request
  const accesses = accessesOf(compiled, actor, captured.occurredNs)
  for (const { rule, role, scope } of accesses)
    recorder?.push({
      at: rule,
      looked: 'the actor and the date',
      outcome: `${role}, ${scope.kind}`,
    })

  const { route, pathKnown } = findRoute(compiled.table, method, splitPath(path) ?? [])
  const standing = standingOf(compiled, route, accesses)
  if (route === undefined) {
    const verdict = noRoute(pathKnown)
    recorder?.push({
      at: 'the API',
      looked: `${method} and the path`,
      outcome: verdict.explanation,
    })
    return decisionOf(pathKnown ? { ...standing, routeMatch: 'mismatch' } : standing, verdict)
  }
  recorder?.push({
    at: 'the API',
    looked: `${method} and the path`,
    outcome: `matches ${route.template}: ${route.action}`,
  })
  const verdict = authorise(route, { actor, captured }, accesses)
  recorder?.push({ at: verdict.rule, looked: route.action, outcome: verdict.explanation })
  return decisionOf(standing, verdict)
}

function authorise(
  route: ReadRoute,
  { actor, captured }: Request,
  accesses: readonly ReadAccess[],
): Verdict {
  if (PUBLIC_TEMPLATES.includes(route.template)) {
    const explanation = 'the route is public: it holds nothing of the log'
    return { allowed: true, reason: 'public', rule: `api: ${route.template}`, explanation }
  }
  const best = widest(accesses.filter(({ role }) => isAsked(role, captured)))
  if (best !== undefined) {
    const explanation = `read as ${best.role}`
    return { allowed: true, reason: 'granted', rule: best.rule, explanation }
  }
  const refused = { allowed: false, rule: 'reader.access' }
  if (actor.type === 'anonymous') {
    const explanation = 'reading the log needs a credential, and none was presented'
    return { ...refused, reason: 'no_credential', explanation }
  }
  if (actor.type === 'unknown') {
    const defects = actor.credential.defects.join(', ') || 'no reason known'
    const explanation = `the credential proves nothing: ${defects}`
    return { ...refused, reason: 'bad_credential', explanation }
  }
  const explanation =
    accesses.length === 0
      ? 'no entry in force lets this actor read the log'
      : `no entry in force lets this actor read as asked; it may as ${rolesOf(accesses).join(', ')}`
  return { ...refused, reason: 'no_grant', explanation }
}

function noRoute(pathKnown: boolean): Verdict {
  const explanation = pathKnown
    ? 'the path is known, but not with this method'
    : 'the API has nothing at this path'
  return { allowed: false, reason: 'no_route', rule: 'api: no route matches', explanation }
}

/** The API chooses among the same; it says more about a role that there is none of. Attacker-controlled: compared, never repeated. */
function isAsked(role: LogRole, { request }: Captured): boolean {
  return request.headers.every(
    ([name, value]) => name !== ROLE_HEADER || value === role || !Object.hasOwn(UNMASKING, value),
  )
}

const WIDTHS: Readonly<Record<ReadScope['kind'], number>> = { self: 0, services: 1, all: 2 }

/** The first of the widest: which line lets somebody in does not depend on what else they may do. */
function widest(accesses: readonly ReadAccess[]): ReadAccess | undefined {
  return accesses.toSorted((a, b) => WIDTHS[b.scope.kind] - WIDTHS[a.scope.kind])[0]
}

/** Every read is recorded before it is answered, whatever mode the services have. */
function standingOf(
  { hash: policyHash }: Compiled,
  route: ReadRoute | undefined,
  accesses: readonly ReadAccess[],
): Standing {
  const standing = {
    policyHash,
    mode: 'strict',
    acknowledge: 'D0',
    depth: 'meta',
    labels: [],
    roles: rolesOf(accesses),
  } as const
  if (route === undefined) return { ...standing, action: 'log.request', routeMatch: 'undeclared' }
  return { ...standing, action: route.action, route: route.template, routeMatch: 'declared' }
}

function rolesOf(accesses: readonly ReadAccess[]): readonly string[] {
  return [...new Set(accesses.map(({ role }) => role))].toSorted()
}
