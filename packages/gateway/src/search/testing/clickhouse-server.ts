/** Starts and ends the process of `clickhouse-http.ts` for tests. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { createInterface } from 'node:readline'
import { join, resolve } from 'node:path'
import type { TestContext } from 'node:test'
import type { ClickHouseHttp } from './clickhouse-http.ts'

export interface RunningClickHouse extends AsyncDisposable {
  readonly url: string
  readonly port: number
  /** Ends it at once, as a machine that loses power. */
  kill(): Promise<void>
}

const program = resolve(import.meta.dirname, 'clickhouse-http.ts')

/** Starts it and waits until it answers. */
export async function startClickHouse(options: ClickHouseHttp): Promise<RunningClickHouse> {
  const child = spawn(process.execPath, [program, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    // Each statement holds a thread.
    env: { ...process.env, UV_THREADPOOL_SIZE: '16' },
  })
  const exit = once(child, 'exit')
  const said = createInterface(child.stdout)[Symbol.asyncIterator]()
  const { value, done = false } = await said.next()
  if (done) throw new Error('the server of ClickHouse ended before it was ready')
  const port = Number(value)
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exit
  }
  const scheme = options.tls === undefined ? 'http' : 'https'
  return { url: `${scheme}://localhost:${port}`, port, kill, [Symbol.asyncDispose]: kill }
}

/** A server on a folder of its own, or on one that was there; both are gone after the test. */
export async function temporaryClickHouse(
  t: Pick<TestContext, 'after'>,
  options: Partial<ClickHouseHttp> = {},
): Promise<RunningClickHouse & { readonly folder: string }> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'countersign-clickhouse-')))
  const server = await startClickHouse({ ...options, folder })
  t.after(async () => {
    await server.kill()
    await rm(folder, { recursive: true, force: true })
  })
  return { ...server, folder }
}
