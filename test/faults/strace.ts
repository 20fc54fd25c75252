/**
 * Faults from below: strace makes one system call of a process fail, or kills the process in it. A point is one such call: which
 * thread makes it, of which kind, and the how-manieth of its kind it is in that thread.
 */
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { findCommand } from '../setup.ts'

/** Calls that make, change or let go of a file. */
export const KINDS = [
  'openat',
  'write',
  'pwrite64',
  'ftruncate',
  'fdatasync',
  'fsync',
  'rename',
  'link',
  'unlink',
  'mkdir',
  'close',
] as const
export type Kind = (typeof KINDS)[number]

export const FAULTS = ['EIO', 'ENOSPC', 'KILL'] as const
export type Fault = (typeof FAULTS)[number]

/** Node makes synchronous calls in its main thread, and the others in a pool: of one thread here, so that runs are alike. */
export type Thread = 'main' | 'pool'
export const ONE_POOL_THREAD = { UV_THREADPOOL_SIZE: '1' } as const

export interface Point {
  readonly thread: Thread
  readonly kind: Kind
  /** From 1, among the calls of this kind in this thread. */
  readonly nth: number
}

/** A call that was seen. */
export interface Call {
  readonly thread: number
  readonly kind: Kind
  readonly nth: number
  /** The line that strace wrote. */
  readonly line: string
}

/** Why calls cannot be made to fail here, or nothing when they can. */
export function whyNoStrace(): string | undefined {
  if (findCommand('strace') === undefined) return 'there is no strace on this machine'
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)'], { stdio: 'ignore' })
  const { stderr } = spawnSync('strace', ['-p', String(child.pid), '-e', 'trace=none'], {
    encoding: 'utf8',
    timeout: 1_000,
  })
  child.kill('SIGKILL')
  return stderr.includes('attached') ? undefined : `strace may not attach here: ${stderr.trim()}`
}

/** The options of strace for one point, or to see all calls. */
export function straceOptions(
  log: string,
  fault: { kind: Kind; nth: number; fault: Fault } | 'none',
): string[] {
  const common = ['-y', '-s', '0', '-o', log]
  if (fault === 'none') return [...common, '-e', `trace=${KINDS.join(',')}`]
  const what = fault.fault === 'KILL' ? 'signal=KILL' : `error=${fault.fault}`
  return [
    ...common,
    '-e',
    `trace=${fault.kind}`,
    '-e',
    `inject=${fault.kind}:${what}:when=${fault.nth}`,
  ]
}

/** Attaches strace to threads of a living process; resolves when it sees them. `done` is when it let go of them. */
export async function attach(
  threads: readonly number[],
  options: readonly string[],
): Promise<{ readonly done: Promise<void>; detach(): Promise<void> }> {
  const strace = spawn('strace', [...options, ...threads.flatMap((id) => ['-p', String(id)])], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const done = once(strace, 'close').then(() => undefined)
  let said = ''
  await new Promise<void>((resolve, reject) => {
    strace.stderr.on('data', (piece: Buffer) => {
      said += piece.toString()
      if (said.split(' attached').length > threads.length) resolve()
    })
    void done.then(() => reject(new Error(`strace did not attach: ${said}`)))
  })
  return {
    done,
    detach: async () => {
      strace.kill('SIGINT')
      await done
    },
  }
}

/** The threads of a process that touch files. */
export function threadsOf(child: ChildProcess): Record<Thread, number> {
  const tasks = `/proc/${child.pid}/task`
  const pool = readdirSync(tasks).find(
    (id) => readFileSync(join(tasks, id, 'comm'), 'utf8') === 'libuv-worker\n',
  )
  if (child.pid === undefined || pool === undefined) throw new Error('could not find its threads')
  return { main: child.pid, pool: Number(pool) }
}

const CALL = new RegExp(String.raw`^(\d+) +(${KINDS.join('|')})\(`)

/** The calls in a log of strace, numbered within thread and kind. Lines that only end another are none. */
export function callsIn(log: string, alone?: number): Call[] {
  const counts = new Map<string, number>()
  const calls: Call[] = []
  for (const line of readFileSync(log, 'utf8').split('\n')) {
    const [, id, kind] = CALL.exec(alone === undefined ? line : `${alone} ${line}`) ?? []
    if (id === undefined || kind === undefined) continue
    const key = `${id} ${kind}`
    const nth = (counts.get(key) ?? 0) + 1
    counts.set(key, nth)
    calls.push({ thread: Number(id), kind: kind as Kind, nth, line })
  }
  return calls
}

/** Whether the fault was met, and in which call; the last call seen is the one in which a process was killed. */
export function metFault(log: string): string | undefined {
  const lines = readFileSync(log, 'utf8').split('\n')
  const injected = lines.find((line) => line.includes('(INJECTED)'))
  if (injected !== undefined) return injected
  const killed = lines.some((line) => line.includes('killed by SIGKILL'))
  return killed ? lines.findLast((line) => /^(\d+ +)?\w+\(/.test(line)) : undefined
}
