/** Roles, permissions and grants, indexed by who holds them. */
import type { Actor } from '@countersign/record/vocabulary'
import type { Config } from '../config/schema.ts'
import { PolicyError } from './errors.ts'

export interface Grant {
  readonly index: number
  readonly role: string
  /** For the record: names roles, groups and services, never a person. */
  readonly rule: string
  /** First nanosecond at which it no longer holds. */
  readonly endNs: bigint | undefined
}

/** By kind of grantee (`user`, `group`, `anyone`...), then by name: two look-ups, and no key to build for each request. */
export type GrantIndex = ReadonlyMap<string, ReadonlyMap<string, readonly Grant[]>>

const dayMs = 86_400_000

/** Who holds a role, and until when. */
type GrantEntry = Pick<Config['grants'][number], 'role' | 'to' | 'until'>

/**
 * @param where the block of the configuration that these grants are in.
 * @throws {PolicyError} `POLICY_ROLE_UNKNOWN`, `POLICY_UNTIL_INVALID`
 */
export function compileGrants(
  { roles, grants }: { readonly roles: object; readonly grants: readonly GrantEntry[] },
  where = 'grants',
): GrantIndex {
  const index = new Map<string, Map<string, Grant[]>>()
  for (const [at, grant] of grants.entries()) {
    if (!Object.hasOwn(roles, grant.role)) {
      throw new PolicyError(
        'POLICY_ROLE_UNKNOWN',
        `${where}[${at}] names role '${grant.role}', which is not declared`,
      )
    }
    const endNs = endOf(grant.until, `${where}[${at}]`)
    for (const grantee of Array.isArray(grant.to) ? grant.to : [grant.to]) {
      const rule = `${where}[${at}]: role ${grant.role} to ${publicName(grantee)}`
      push(index, grantee, { index: at, role: grant.role, rule, endNs })
    }
  }
  return index
}

/** Grants in force for this actor at this time. `anyone` is everybody; `authenticated` whoever proved a name. */
export function grantsInForce(index: GrantIndex, actor: Actor, nowNs: bigint): Grant[] {
  const found: Grant[] = []
  if (index.size === 0) return found
  if (actor.type !== 'anonymous' && actor.type !== 'unknown') {
    collect(index.get(actor.type)?.get(actor.name), nowNs, found)
    const groups = index.get('group')
    if (groups !== undefined) {
      for (const group of actor.groups) collect(groups.get(group), nowNs, found)
    }
    collect(index.get('authenticated')?.get(''), nowNs, found)
  }
  collect(index.get('anyone')?.get(''), nowNs, found)
  return found
}

/** The moments at which a grant ends, ascending. */
export function endsOf(index: GrantIndex): readonly bigint[] {
  const grants = [...index.values()].flatMap((names) => [...names.values()].flat())
  const ends = new Set(grants.map(({ endNs }) => endNs).filter((endNs) => endNs !== undefined))
  return [...ends].toSorted((a, b) => (a < b ? -1 : 1))
}

function collect(grants: readonly Grant[] | undefined, nowNs: bigint, into: Grant[]): void {
  if (grants === undefined) return
  for (const grant of grants) {
    if (grant.endNs === undefined || nowNs < grant.endNs) into.push(grant)
  }
}

/** The roles that carry a permission: `orders.*` carries `orders.read` and `orders.lines.read`, not `orders`. */
export function rolesWith(roles: Config['roles'], permission: string): ReadonlySet<string> {
  const holders = new Set<string>()
  for (const [role, permissions] of Object.entries(roles)) {
    if (permissions.some((held) => covers(held, permission))) holders.add(role)
  }
  return holders
}

function covers(held: string, permission: string): boolean {
  if (held === '*' || held === permission) return true
  return held.endsWith('.*') && permission.startsWith(held.slice(0, -1))
}

function push(index: Map<string, Map<string, Grant[]>>, grantee: string, grant: Grant): void {
  const colon = grantee.indexOf(':')
  const kind = colon < 0 ? grantee : grantee.slice(0, colon)
  const name = colon < 0 ? '' : grantee.slice(colon + 1)
  const names = index.get(kind) ?? new Map<string, Grant[]>()
  index.set(kind, names)
  names.set(name, [...(names.get(name) ?? []), grant])
}

/** The leaf lives for ever and holds no personal data, so a rule says that a user was meant, not which. */
function publicName(grantee: string): string {
  return grantee.startsWith('user:') ? 'user' : grantee
}

function endOf(until: string | undefined, at: string): bigint | undefined {
  if (until === undefined) return undefined
  const startMs = Date.parse(`${until}T00:00:00Z`)
  if (Number.isNaN(startMs)) {
    throw new PolicyError('POLICY_UNTIL_INVALID', `${at}.until '${until}' is not a date`)
  }
  return BigInt(startMs + dayMs) * 1_000_000n
}
