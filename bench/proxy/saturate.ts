/** The closed loop: wrk sends as fast as the route answers; CPU time of the proxy's whole process tree is counted. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { treeCpuMicros } from '../measure.ts'
import type { Body } from './peers.ts'
import type { Route } from './proxy.ts'

const run = promisify(execFile)
const script = join(import.meta.dirname, 'report.lua')
// Logs are flushed, tiles published and checkpoints signed after the last answer: that work counts too.
const settleMs = 1_200

export interface Saturation {
  readonly cpuUs: number
  readonly rps: number
  readonly errors: number
}

export async function saturate(
  route: Route,
  body: Body,
  options: { seconds: number; connections: number },
): Promise<Saturation> {
  const headers = Object.entries(route.headers).flatMap(([name, value]) => [
    '-H',
    `${name}: ${value}`,
  ])
  const words = [
    '-t1',
    `-c${options.connections}`,
    `-d${options.seconds}s`,
    '-s',
    script,
    ...headers,
  ]
  const before = route.pid === undefined ? 0 : treeCpuMicros(route.pid)
  const { stdout } = await run('wrk', [
    ...words,
    `http://127.0.0.1:${route.port}${route.prefix}/${body.name}`,
  ])
  await sleep(settleMs)
  const used = route.pid === undefined ? 0 : treeCpuMicros(route.pid) - before
  const told = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as {
    requests: number
    durationUs: number
    errors: number
  }
  if (told.requests === 0) throw new Error(`could not get an answer from ${route.name}`)
  return {
    cpuUs: used / told.requests,
    rps: told.requests / (told.durationUs / 1e6),
    errors: told.errors,
  }
}
