/** What no single key of `reader` and `retention` can show: services and labels that nobody declared, logs followed twice. */
import type { Finding } from './cross-check.ts'
import { didYouMean } from './nearest.ts'
import type { Config } from './schema.ts'

type Path = Finding['path']

/** Every contradiction in how the log is read and kept. */
export function checkReading(config: Config): Finding[] {
  return [
    ...checkIndex(config),
    ...checkLogs(config),
    ...config.reader.access.flatMap((entry, at) => checkAccess(config, entry, at)),
    ...checkRetention(config),
  ]
}

const error = (path: Path, message: string): Finding => ({ level: 'error', path, message })
const warning = (path: Path, message: string): Finding => ({ level: 'warning', path, message })

function checkIndex({ reader: { index } }: Config): Finding[] {
  if (index === undefined) return []
  const { protocol, hostname, username, password } = new URL(index.url)
  const path = ['reader', 'index', 'url']
  if (username !== '' || password !== '')
    return [error(path, "a URL holds no secrets here: name 'user' and the file of its 'password'")]
  if (protocol === 'https:' || /^(127\.[\d.]+|\[::1\]|localhost)$/.test(hostname)) return []
  return [warning(path, 'records and the password travel in clear: use https')]
}

function checkLogs({ reader }: Config): Finding[] {
  const seen = new Set<string>()
  return reader.logs.flatMap(({ place }, at) => {
    const path = ['reader', 'logs', at, 'place']
    if (seen.has(place)) return [error(path, `this log is followed twice; found '${place}'`)]
    seen.add(place)
    const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(place)?.[1]?.toLowerCase()
    if (scheme === undefined || ((scheme === 'http' || scheme === 'https') && URL.canParse(place)))
      return []
    return [error(path, `expected a folder, or a URL of http or https; found '${place}'`)]
  })
}

function checkAccess(
  config: Config,
  entry: Config['reader']['access'][number],
  at: number,
): Finding[] {
  const path = ['reader', 'access', at]
  const { role, services = [] } = entry
  if (role === 'viewer' && services.length === 0)
    return [error(path, "a viewer needs 'services': the names of those it may see")]
  if (role !== 'viewer' && services.length > 0) {
    return [
      error(
        [...path, 'services'],
        `services are for viewers only: what ${articled(role)} sees is fixed`,
      ),
    ]
  }
  if (role === 'owner' && Object.values(config.services).every(({ owner }) => owner === undefined))
    return [warning([...path, 'role'], "no service names an 'owner', so owners see nothing")]
  return services.flatMap((service, nth) =>
    checkService(config, service, [...path, 'services', nth]),
  )
}

function articled(role: string): string {
  return /^[aeiou]/.test(role) ? `an ${role}` : `a ${role}`
}

function checkService(config: Config, service: string, path: Path): Finding[] {
  const known = Object.keys(config.services)
  if (known.includes(service)) return []
  const hint = didYouMean(service, known) || `; declared: ${known.join(', ') || 'none'}`
  return [error(path, `no service is called '${service}'${hint}`)]
}

function checkRetention(config: Config): Finding[] {
  const { retention, services } = config
  const known = new Set(
    Object.values(services).flatMap(({ routes, egress }) => [
      ...routes.flatMap(({ labels }) => labels),
      ...(egress?.labels ?? []),
    ]),
  )
  return [
    ...Object.keys(retention.services).flatMap((service) =>
      checkService(config, service, ['retention', 'services', service]),
    ),
    ...Object.keys(retention.labels)
      .filter((label) => !known.has(label))
      .map((label) =>
        warning(
          ['retention', 'labels', label],
          `no route and no egress has the label '${label}'${didYouMean(label, known)}`,
        ),
      ),
  ]
}
