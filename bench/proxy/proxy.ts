/** What the bench knows of any proxy, and how one is started, awaited and ended. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { openSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** One way from the client to the upstream. */
export interface Route {
  readonly name: string
  readonly port: number
  /** In front of the body's name: '/strict'. */
  readonly prefix: string
  readonly headers: Readonly<Record<string, string>>
  /** The process whose tree does the work; absent for the direct way. */
  readonly pid?: number
}

export interface Running {
  readonly pid: number
  stop(): Promise<void>
}

const readyTimeoutMs = 30_000
const stopTimeoutMs = 20_000

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((settle) => server.once('listening', settle))
  const { port } = server.address() as AddressInfo
  await new Promise((settle) => server.close(settle))
  return port
}

/** Starts a program whose output goes to a file on the disk that all of them write to. */
export function start(
  command: readonly [string, ...string[]],
  options: { logFile: string; env?: Readonly<Record<string, string>>; stopSignal?: NodeJS.Signals },
): Running {
  const [program, ...words] = command
  const output = openSync(options.logFile, 'a')
  const errors = openSync(`${options.logFile}.err`, 'a')
  const child = spawn(program, words, {
    stdio: ['ignore', output, errors],
    env: { ...process.env, ...options.env },
  })
  const { pid } = child
  if (pid === undefined) throw new Error(`could not start ${program}`)
  return { pid, stop: async () => await end(child, options.stopSignal ?? 'SIGTERM') }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((settle) => child.once('exit', settle))
  child.kill(signal)
  const late = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
  await ended
  clearTimeout(late)
}

/** Waits until a route answers with what the upstream holds, so that no error page is measured. */
export async function answers(route: Route, body: { name: string; bytes: number }): Promise<void> {
  const url = `http://127.0.0.1:${route.port}${route.prefix}/${body.name}`
  const untilMs = performance.now() + readyTimeoutMs
  let last = 'nothing'
  while (performance.now() < untilMs) {
    try {
      const response = await fetch(url, { headers: route.headers })
      const { byteLength } = await response.arrayBuffer()
      if (response.status === 200 && byteLength === body.bytes) return
      last = `status ${response.status}, ${byteLength} bytes`
    } catch (error) {
      last = String((error as Error).cause ?? error)
    }
    await sleep(100)
  }
  throw new Error(`could not reach ${route.name} at ${url}: ${last}`)
}
