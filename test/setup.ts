/** What the tests need from the operating system, and how it comes here when it is absent. */
import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

interface Tool {
  /** The command the tests run. */
  readonly command: string
  /** The Debian package that holds it. */
  readonly debianPackage: string
  readonly usedFor: string
}

const testTools: readonly Tool[] = [
  { command: 'curl', debianPackage: 'curl', usedFor: 'real clients, direct and through the proxy' },
  { command: 'openssl', debianPackage: 'openssl', usedFor: 'certificates made by someone else' },
  { command: 'nginx', debianPackage: 'nginx-light', usedFor: 'a real upstream' },
  { command: 'chromium', debianPackage: 'chromium', usedFor: 'the page that checks evidence' },
  { command: 'strace', debianPackage: 'strace', usedFor: 'faults of the disk' },
  { command: 'zsh', debianPackage: 'zsh', usedFor: 'completion in a shell' },
  { command: 'fish', debianPackage: 'fish', usedFor: 'completion in a shell' },
]

/** Peers and the load client of `npm run bench:proxy`. */
export const benchTools: readonly Tool[] = [
  { command: 'nginx', debianPackage: 'nginx-light', usedFor: 'a peer, and the upstream' },
  { command: 'haproxy', debianPackage: 'haproxy', usedFor: 'a peer' },
  { command: 'caddy', debianPackage: 'caddy', usedFor: 'a peer' },
  { command: 'wrk', debianPackage: 'wrk', usedFor: 'the client at saturation' },
]

/** Debian keeps servers in sbin, which only root has on its path. */
export const searchPath = [
  ...(process.env['PATH'] ?? '').split(delimiter),
  '/usr/sbin',
  '/usr/local/sbin',
].join(delimiter)

/** Where a command lies on the search path, or nothing. */
export function findCommand(command: string): string | undefined {
  return searchPath
    .split(delimiter)
    .map((folder) => join(folder, command))
    .find((candidate) => {
      try {
        accessSync(candidate, constants.X_OK)
        return true
      } catch {
        // Not in this folder: the next one may have it.
        return false
      }
    })
}

/**
 * Installs what is absent when this is root on a Debian-like machine.
 * @returns one sentence for each tool that is still absent.
 */
export function provide(
  tools: readonly Tool[] = testTools,
  say: (line: string) => void = () => {},
): string[] {
  const absent = tools.filter((tool) => findCommand(tool.command) === undefined)
  if (absent.length === 0) return []
  const reason = whyNotInstallable() ?? install(absent, say)
  return absent
    .filter((tool) => findCommand(tool.command) === undefined)
    .map(
      (tool) =>
        `no ${tool.command} (${tool.usedFor}), because ${reason ?? 'its package did not bring it'}`,
    )
}

function whyNotInstallable(): string | undefined {
  if (findCommand('apt-get') === undefined)
    return 'it is not installed and there is no apt-get here'
  if (process.getuid?.() !== 0) return 'it is not installed and only root may run apt-get'
  return undefined
}

function install(tools: readonly Tool[], say: (line: string) => void): string | undefined {
  const packages = tools.map((tool) => tool.debianPackage)
  // RUNLEVEL=1 keeps Debian from starting the servers it installs.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  for (const words of [
    ['update', '-qq'],
    ['install', '-y', '-qq', '--no-install-recommends', ...packages],
  ]) {
    say(`set-up: apt-get ${words.join(' ')}`)
    const done = spawnSync('apt-get', words, { env, encoding: 'utf8', timeout: 300_000 })
    if (done.status !== 0) {
      return `apt-get ${words[0]} failed: ${(done.stderr || String(done.error ?? '')).trim().split('\n').at(-1)}`
    }
  }
  return undefined
}
