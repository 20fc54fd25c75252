/** What no single key can show: names that refer to each other, routes that collide, rules that can not work. */
import ipaddr from 'ipaddr.js'
import { didYouMean } from './nearest.ts'
import { checkReading } from './reader-check.ts'
import { parseRouteTemplate } from './route-template.ts'
import type { Config, RouteConfig } from './schema.ts'

type Path = readonly PropertyKey[]

/** `error` refuses the file; `warning` is said and the file holds. */
export interface Finding {
  readonly level: 'error' | 'warning'
  readonly path: Path
  readonly message: string
}

/** Every contradiction in a configuration that is sound key by key. */
export function crossCheck(config: Config): Finding[] {
  return [
    ...checkSealing(config),
    ...checkListeners(config),
    ...checkSigner(config),
    ...checkIdentities(config),
    ...checkGrants(config),
    ...checkServices(config),
    ...checkLevels(config),
    ...checkCollisions(config),
    ...checkSources(config),
    ...checkReading(config),
  ]
}

const error = (path: Path, message: string): Finding => ({ level: 'error', path, message })
const warning = (path: Path, message: string): Finding => ({ level: 'warning', path, message })

function checkSealing({ seal }: Config): Finding[] {
  if (seal !== undefined) return []
  const message =
    "there is no 'seal': names, addresses and bodies are stored in clear, and a person can not be erased from copies"
  return [warning(['seal'], message)]
}

function checkListeners(config: Config): Finding[] {
  const found: Finding[] = []
  const seen = new Map<string, string>()
  for (const [name, listener] of Object.entries(config.listen)) {
    if (listener === undefined) continue
    const { address } = listener
    const path = ['listen', name]
    const port = Number(address.slice(address.lastIndexOf(':') + 1))
    const twin = seen.get(address)
    if (port > 65_535) found.push(error(path, `port ${port} is larger than 65535`))
    if (port !== 0 && twin !== undefined)
      found.push(error(path, `${address} is already taken by listen.${twin}`))
    seen.set(address, name)
  }
  return found
}

function checkSigner({ signer }: Config): Finding[] {
  if (!('url' in signer) || isSafeUrl(signer.url, true)) return []
  const path = ['signer', 'url']
  return [error(path, `expected an https URL, or http on the loopback; found '${signer.url}'`)]
}

function checkIdentities(config: Config): Finding[] {
  const found: Finding[] = []
  const issuers = new Set<string>()
  for (const [at, identity] of config.identities.entries()) {
    if (!('issuer' in identity)) continue
    const path = ['identities', at]
    if (issuers.has(identity.issuer))
      found.push(error([...path, 'issuer'], 'this issuer is configured twice'))
    issuers.add(identity.issuer)
    for (const key of ['issuer', 'jwks'] as const) {
      const text = identity[key]
      if (text !== undefined && !isSafeUrl(text, identity.allowInsecureHttp)) {
        found.push(
          error(
            [...path, key],
            `expected an https URL; http needs 'allowInsecureHttp: true' and a loopback address; found '${text}'`,
          ),
        )
      }
    }
  }
  return found
}

function isSafeUrl(text: string, allowInsecureHttp: boolean): boolean {
  const { protocol, hostname } = new URL(text)
  if (protocol === 'https:') return true
  return (
    protocol === 'http:' && allowInsecureHttp && /^(127\.[\d.]+|\[::1\]|localhost)$/.test(hostname)
  )
}

function checkGrants(config: Config): Finding[] {
  const found: Finding[] = []
  const roles = Object.keys(config.roles)
  const services = Object.keys(config.services)
  for (const [at, grant] of config.grants.entries()) {
    const path = ['grants', at]
    if (!roles.includes(grant.role)) {
      const hint = didYouMean(grant.role, roles) || `; declared: ${roles.join(', ') || 'none'}`
      found.push(
        error([...path, 'role'], `role '${grant.role}' is not declared under roles${hint}`),
      )
    }
    for (const grantee of Array.isArray(grant.to) ? grant.to : [grant.to]) {
      const name = grantee.startsWith('service:') ? grantee.slice('service:'.length) : undefined
      const hint = name === undefined || services.includes(name) ? '' : didYouMean(name, services)
      if (hint !== '') found.push(warning([...path, 'to'], `no service is called '${name}'${hint}`))
    }
  }
  return found
}

function checkServices(config: Config): Finding[] {
  const held = Object.values(config.roles).flat()
  return Object.entries(config.services).flatMap(([name, service]) => {
    const path = ['services', name]
    const found: Finding[] = []
    if (service.routes.length > 0 && service.upstream === undefined) {
      found.push(error(path, 'a service with routes needs an upstream'))
    }
    if (service.upstream !== undefined && service.routes.length === 0) {
      found.push(warning(path, 'a service without routes refuses every request'))
    }
    if (new Set(service.hosts).size !== service.hosts.length) {
      found.push(error([...path, 'hosts'], 'a host is named twice'))
    }
    for (const [at, route] of service.routes.entries()) {
      found.push(...checkRoute(route, [...path, 'routes', at], held))
    }
    for (const list of ['allow', 'deny'] as const) {
      for (const [at, pattern] of (service.egress?.[list] ?? []).entries()) {
        const why = hostProblem(pattern)
        if (why !== undefined)
          found.push(error([...path, 'egress', list, at], `${why}; found '${pattern}'`))
      }
    }
    return found
  })
}

function checkRoute(route: RouteConfig, path: Path, held: readonly string[]): Finding[] {
  const found: Finding[] = []
  const template = parseRouteTemplate(route.match)
  if ('problem' in template)
    found.push(error([...path, 'match'], `${template.problem}; found '${route.match}'`))
  const { permission } = route
  if (permission !== undefined && route.public) {
    found.push(
      error([...path, 'public'], 'a public route has no permission: remove one of the two'),
    )
  }
  if (permission === undefined && !route.public && !route.deny) {
    found.push(error(path, "expected a 'permission', 'public: true' or 'deny: true'"))
  }
  if (permission?.includes('*') === true) {
    found.push(
      error(
        [...path, 'permission'],
        `a route needs one permission, without a wildcard; found '${permission}'`,
      ),
    )
  } else if (
    permission !== undefined &&
    !route.deny &&
    !held.some((one) => covers(one, permission))
  ) {
    const hint = didYouMean(permission, held)
    found.push(
      warning(
        [...path, 'permission'],
        `no role carries '${permission}', so nobody may call this route${hint}`,
      ),
    )
  }
  return found
}

/** Only mode strict waits for the record before anything is forwarded, so only there can it wait for more. */
function checkLevels(config: Config): Finding[] {
  return Object.entries(config.services).flatMap(([name, { routes, egress }]) => [
    ...routes.flatMap((route, at) =>
      checkLevel(config, route, ['services', name, 'routes', at, 'acknowledge']),
    ),
    ...(egress === undefined
      ? []
      : checkLevel(config, { ...egress, mode: egress.recordMode }, [
          'services',
          name,
          'egress',
          'acknowledge',
        ])),
  ])
}

function checkLevel(
  { ledger, witnesses }: Config,
  { acknowledge, mode = ledger.mode }: Pick<RouteConfig, 'acknowledge' | 'mode'>,
  path: Path,
): Finding[] {
  if (acknowledge === 'D0') return []
  const found: Finding[] = []
  if (mode !== 'strict') {
    found.push(
      error(
        path,
        `${acknowledge} needs mode strict: in mode ${mode} nothing waits for the record; found '${acknowledge}'`,
      ),
    )
  }
  if (acknowledge === 'D2' && witnesses === undefined)
    found.push(error(path, "D2 needs a quorum: name a policy under 'witnesses'"))
  return found
}

function covers(held: string, permission: string): boolean {
  return (
    held === '*' ||
    held === permission ||
    (held.endsWith('.*') && permission.startsWith(held.slice(0, -1)))
  )
}

function hostProblem(pattern: string): string | undefined {
  if (pattern === '*' || pattern.startsWith('*.')) return portProblem(pattern)
  const host = pattern.replace(/:\d+$/, '')
  if (host.startsWith('['))
    return ipaddr.IPv6.isValid(host.slice(1, -1)) ? portProblem(pattern) : 'not an IPv6 address'
  const last = host.slice(host.lastIndexOf('.') + 1)
  const isNumeric = /^(\d+|0x[0-9a-f]*)$/.test(last)
  if (isNumeric && !ipaddr.IPv4.isValidFourPartDecimal(host))
    return 'neither a name nor an IPv4 address in four decimal parts'
  return portProblem(pattern)
}

function portProblem(pattern: string): string | undefined {
  const [, port] = /[^:]:(\d+)$/.exec(pattern.replace(/^\[.*\]/, 'x')) ?? []
  return port !== undefined && (Number(port) === 0 || Number(port) > 65_535)
    ? 'expected a port from 1 to 65535'
    : undefined
}

/** Two routes of one host that take the same requests: which one decides would be an accident. */
function checkCollisions(config: Config): Finding[] {
  const found: Finding[] = []
  const taken = new Map<string, string>()
  for (const [name, service] of Object.entries(config.services)) {
    for (const [at, route] of service.routes.entries()) {
      const template = parseRouteTemplate(route.match)
      if ('problem' in template) continue
      const here = `services.${name}.routes[${at}]`
      const places = (service.hosts.length === 0 ? [''] : service.hosts).flatMap((host) =>
        template.methods.map((method) =>
          JSON.stringify([route.deny, host, method, template.shape]),
        ),
      )
      const other = places
        .map((place) => taken.get(place))
        .find((twin) => twin !== undefined && twin !== here)
      if (other !== undefined) {
        found.push(
          error(
            ['services', name, 'routes', at, 'match'],
            `takes the same requests as ${other}; found '${route.match}'`,
          ),
        )
      }
      for (const place of places) taken.set(place, here)
    }
  }
  return found
}

function checkSources(config: Config): Finding[] {
  const found: Finding[] = []
  const owners = new Map<string, string>()
  for (const [name, { egress }] of Object.entries(config.services)) {
    for (const [at, text] of (egress?.sourceAddresses ?? []).entries()) {
      const owner = owners.get(text)
      if (owner !== undefined && owner !== name) {
        found.push(
          error(
            ['services', name, 'egress', 'sourceAddresses', at],
            `${text} is already the address of services.${owner}`,
          ),
        )
      }
      owners.set(text, name)
    }
  }
  return found
}
