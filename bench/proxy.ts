/**
 * `npm run bench:proxy`: what a request costs through nginx, HAProxy and Caddy, each with its log, and through
 * Countersign in its three modes with identity and policy on. Same machine, same run, rounds interleaved, medians told.
 *   --seconds N  of each measurement (5)      --rounds N  (3)
 *   --quick      100 B only, 2 s, one round   --json      one line of JSON
 */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { provide, benchTools, searchPath } from '../test/setup.ts'
import { median, rounded, table } from './measure.ts'
import { modes, startCountersign } from './proxy/countersign.ts'
import type { OpenLoopPlan, OpenLoopResult } from './proxy/open-loop.ts'
import { bodies, startCaddy, startHaproxy, startNginx, startUpstream } from './proxy/peers.ts'
import type { Body } from './proxy/peers.ts'
import { answers } from './proxy/proxy.ts'
import type { Route, Running } from './proxy/proxy.ts'
import { saturate } from './proxy/saturate.ts'
import type { Saturation } from './proxy/saturate.ts'

const root = resolve(import.meta.dirname, '..')
const run = promisify(execFile)
const connections = 32
const warmUpSeconds = 2
const peerNames = ['nginx', 'haproxy', 'caddy']

interface Options {
  readonly seconds: number
  readonly rounds: number
  readonly bodies: readonly Body[]
}

interface Figures {
  readonly cpuUs: number
  readonly rps: number
  readonly addedP50Ms: number
  readonly addedP99Ms: number
}

interface BodyResult {
  readonly halfLoadRps: number
  readonly direct: { readonly p50Ms: number; readonly p99Ms: number }
  readonly figures: ReadonlyMap<string, Figures>
}

const say = (line: string): void => void process.stderr.write(`${line}\n`)

function readOptions(args: readonly string[]): Options & { json: boolean } {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: 'string' },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  })
  const seconds = Number(values.seconds ?? (values.quick ? 2 : 5))
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 3))
  if (!(seconds >= 1 && rounds >= 1))
    throw new Error('--seconds and --rounds want a number from 1 up')
  return {
    seconds,
    rounds,
    json: values.json,
    bodies: values.quick ? bodies.slice(0, 1) : bodies,
  }
}

/** Every proxy runs throughout; the one that is measured is the only one with work to do. */
async function startAll(folder: string, running: Running[]): Promise<Route[]> {
  const upstream = await startUpstream(folder)
  running.push(upstream.running)
  const routes = [upstream.route]
  for (const startPeer of [startNginx, startHaproxy, startCaddy]) {
    const peer = await startPeer(folder, upstream.route.port)
    running.push(peer.running)
    routes.push(peer.route)
  }
  const countersign = await startCountersign(folder, upstream.route.port)
  running.push(countersign.running)
  return [...routes, ...countersign.routes]
}

async function openLoop(plan: OpenLoopPlan): Promise<OpenLoopResult> {
  const program = join(import.meta.dirname, 'proxy/open-loop.ts')
  const { stdout } = await run(process.execPath, [program, JSON.stringify(plan)])
  return JSON.parse(stdout) as OpenLoopResult
}

function add<T>(to: Map<string, T[]>, name: string, value: T): void {
  to.set(name, [...(to.get(name) ?? []), value])
}

function middle<T>(
  from: ReadonlyMap<string, readonly T[]>,
  name: string,
  read: (value: T) => number,
): number {
  return median((from.get(name) ?? []).map(read))
}

async function measureBody(
  routes: readonly Route[],
  body: Body,
  options: Options,
): Promise<BodyResult> {
  const { seconds, rounds } = options
  const proxies = routes.filter(({ pid }) => pid !== undefined)
  const saturations = new Map<string, Saturation[]>()
  for (let round = 1; round <= rounds; round++) {
    for (const route of proxies) {
      const found = await saturate(route, body, { seconds, connections })
      if (found.errors > 0) throw new Error(`${found.errors} requests through ${route.name} failed`)
      add(saturations, route.name, found)
      say(
        `${body.name} ${route.name}, round ${round} of ${rounds}: ${found.cpuUs.toFixed(1)} us CPU, ${found.rps.toFixed(0)} requests/s`,
      )
    }
  }
  // One load for all, so that the figures can be set side by side: half of what strict can take.
  const halfLoadRps = Math.floor(middle(saturations, 'strict', ({ rps }) => rps) / 2)
  const latencies = new Map<string, OpenLoopResult[]>()
  for (let round = 1; round <= rounds; round++) {
    for (const { name, port, prefix, headers } of routes) {
      const plan = {
        port,
        path: `${prefix}/${body.name}`,
        headers,
        rate: halfLoadRps,
        seconds,
        connections,
      }
      const found = await openLoop(plan)
      if (found.errors > 0) throw new Error(`${found.errors} requests through ${name} failed`)
      add(latencies, name, found)
      say(
        `${body.name} ${name} at ${halfLoadRps}/s, round ${round} of ${rounds}: p50 ${found.p50Ms} ms, p99 ${found.p99Ms} ms`,
      )
    }
  }
  const p50Ms = (name: string): number => middle(latencies, name, (value) => value.p50Ms)
  const p99Ms = (name: string): number => middle(latencies, name, (value) => value.p99Ms)
  const figuresOf = (name: string): Figures => ({
    cpuUs: rounded(
      middle(saturations, name, ({ cpuUs }) => cpuUs),
      1,
    ),
    rps: rounded(
      middle(saturations, name, ({ rps }) => rps),
      0,
    ),
    addedP50Ms: rounded(p50Ms(name) - p50Ms('direct'), 3),
    addedP99Ms: rounded(p99Ms(name) - p99Ms('direct'), 3),
  })
  return {
    halfLoadRps,
    direct: { p50Ms: p50Ms('direct'), p99Ms: p99Ms('direct') },
    figures: new Map(proxies.map(({ name }) => [name, figuresOf(name)])),
  }
}

/** 'best-effort' is `bestEffort` in JSON. */
const camelCase = (name: string): string =>
  name.replace(/-(\w)/, (_, letter: string) => letter.toUpperCase())

function bodyJson({ halfLoadRps, direct, figures }: BodyResult): Record<string, unknown> {
  const pick = (names: readonly string[]): Record<string, Figures | undefined> =>
    Object.fromEntries(names.map((name) => [camelCase(name), figures.get(name)]))
  const cpuUs = (name: string): number => figures.get(name)?.cpuUs ?? Number.NaN
  const ratio = (mode: string, peer: string): number => rounded(cpuUs(mode) / cpuUs(peer), 2)
  return {
    peers: pick(peerNames),
    countersign: pick(modes),
    ratios: {
      strictToHaproxy: ratio('strict', 'haproxy'),
      strictToCaddy: ratio('strict', 'caddy'),
      strictToNginx: ratio('strict', 'nginx'),
      boundedToHaproxy: ratio('bounded', 'haproxy'),
      bestEffortToHaproxy: ratio('best-effort', 'haproxy'),
    },
    halfLoadRps,
    direct,
  }
}

function bodyTable(body: Body, { halfLoadRps, figures }: BodyResult): string {
  const haproxy = figures.get('haproxy')?.cpuUs ?? Number.NaN
  const rows = [...figures].map(([name, { cpuUs, rps, addedP50Ms, addedP99Ms }]) => [
    peerNames.includes(name) ? name : `countersign ${name}`,
    cpuUs.toFixed(1),
    `${(cpuUs / haproxy).toFixed(2)} x`,
    rps.toFixed(0),
    addedP50Ms.toFixed(2),
    addedP99Ms.toFixed(2),
  ])
  const head = [
    `${body.name} at ${halfLoadRps}/s`,
    'CPU us/request',
    'of HAProxy',
    'requests/s',
    'added p50 ms',
    'added p99 ms',
  ]
  return table([head, ...rows])
}

async function main(args: readonly string[]): Promise<void> {
  const options = readOptions(args)
  process.env['PATH'] = searchPath
  const absent = provide(benchTools, say)
  if (absent.length > 0) throw new Error(absent.join('; '))
  // Not the temporary folder, which may be memory: all logs belong on the disk that the ledger syncs.
  await mkdir(join(root, '.scratch'), { recursive: true })
  const folder = await mkdtemp(join(root, '.scratch/bench-proxy-'))
  const running: Running[] = []
  const results = new Map<string, BodyResult>()
  try {
    const routes = await startAll(folder, running)
    for (const route of routes) {
      for (const body of options.bodies) await answers(route, body)
      await saturate(route, options.bodies[0] ?? { name: '', bytes: 0 }, {
        seconds: warmUpSeconds,
        connections,
      })
    }
    for (const body of options.bodies)
      results.set(body.name, await measureBody(routes, body, options))
  } finally {
    for (const one of running.toReversed()) await one.stop()
    await rm(folder, { recursive: true, force: true })
  }
  if (options.json) {
    const told = Object.fromEntries([...results].map(([name, result]) => [name, bodyJson(result)]))
    process.stdout.write(`${JSON.stringify({ ...told[bodies[0]?.name ?? ''], bodies: told })}\n`)
    return
  }
  for (const body of options.bodies) {
    const result = results.get(body.name)
    if (result !== undefined) process.stdout.write(`\n${bodyTable(body, result)}\n`)
  }
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`bench:proxy: error: ${(error as Error).message}\n`)
  process.exitCode = 2
}
