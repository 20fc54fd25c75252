/**
 * Tessera's POSIX log under the same load on the same disk (`tessera/main.go`): entries of 512 bytes from many goroutines, each
 * waiting until its own is durable and integrated. What it is made of is pinned in `tessera/go.mod` and checked by Go itself.
 */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { whyNoGo } from '../test/interop/tools.ts'

const run = promisify(execFile)
const root = resolve(import.meta.dirname, '..')
const cache = join(root, 'node_modules/.cache/bench')
const BUILD_TIMEOUT_MS = 600_000

/** Sizes of its batches that are tried, and how long an entry waits for company: first its own defaults. */
const BATCHES = [
  { batch: 256, age: '250ms' },
  { batch: 1024, age: '50ms' },
  { batch: 4096, age: '50ms' },
]
const WRITERS = 8192
const NOTHING: PeerRun = { perSecond: 0, cpuUs: 0 }

/** What it did with the size of its batches that suits it best here, and with its own default. */
export interface Peer {
  readonly best: PeerRun
  readonly byDefault: PeerRun
}

/** Entries that it made durable and integrated in a second, and the CPU time of one, the writers' own included. */
export interface PeerRun {
  readonly perSecond: number
  readonly cpuUs: number
}

/**
 * Runs it in a folder of its own below `folder`.
 * @throws when there is no Go that builds it.
 */
export async function measureTessera(
  folder: string,
  { seconds, entryBytes }: { seconds: number; entryBytes: number },
): Promise<Peer> {
  const why = await whyNoGo()
  if (why !== undefined) throw new Error(`could not build the peer: ${why}`)
  const program = await build()
  const runs: PeerRun[] = []
  for (const { batch, age } of BATCHES) {
    const dir = await mkdtemp(join(folder, 'tessera-'))
    const flags = { dir, seconds, bytes: entryBytes, batch, 'batch-age': age, writers: WRITERS }
    const { stdout } = await run(
      program,
      Object.entries(flags).map(([name, value]) => `-${name}=${value}`),
    )
    runs.push(read(stdout))
    await rm(dir, { recursive: true })
  }
  const [byDefault = NOTHING] = runs
  return { best: runs.reduce((a, b) => (b.perSecond > a.perSecond ? b : a), byDefault), byDefault }
}

async function build(): Promise<string> {
  await mkdir(cache, { recursive: true })
  const program = join(cache, 'tessera')
  const source = join(import.meta.dirname, 'tessera')
  await run('go', ['build', '-C', source, '-mod=readonly', '-buildvcs=false', '-o', program, '.'], {
    env: { ...process.env, GOWORK: 'off', GOFLAGS: '' },
    timeout: BUILD_TIMEOUT_MS,
  })
  return program
}

function read(stdout: string): PeerRun {
  const { entries, seconds, cpuSeconds } = JSON.parse(stdout)
  return { perSecond: entries / seconds, cpuUs: (cpuSeconds * 1e6) / entries }
}
