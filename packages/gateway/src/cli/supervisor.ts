/**
 * Keeps a row of processes running: starts them in order, each once the one before is ready; starts again what dies; stops
 * them in the opposite order. Holds nothing that a restart would miss. If it dies itself, the processes see their channel
 * close and end on their own.
 */
import type { ChildProcess } from 'node:child_process'
import { CommandError } from './errors.ts'
import { isReady } from './ipc.ts'
import type { Order } from './ipc.ts'

/** What happened to a process, for whoever prints it. */
export type Happening =
  | {
      readonly kind: 'ready'
      readonly name: string
      readonly pid: number | undefined
      readonly restarts: number
    }
  | {
      readonly kind: 'died'
      readonly name: string
      readonly how: string
      readonly againInMs: number
    }
  | { readonly kind: 'killed'; readonly name: string; readonly afterMs: number }

export interface SupervisorOptions {
  /** In the order of starting. */
  readonly names: readonly string[]
  /** Those that nothing else needs: they never stop the others, and are never given up. */
  readonly optional?: ReadonlySet<string> | undefined
  readonly start: (name: string) => ChildProcess
  readonly onHappening: (happening: Happening) => void
  /** Told once, when a process died `deathsMax` times in a row without ever becoming ready. */
  readonly onGiveUp: (error: CommandError) => void
  readonly deathsMax?: number
  readonly backOffMs?: { readonly first: number; readonly max: number }
  readonly stopTimeoutMs?: number
}

export interface Supervisor {
  /** Where each process listens, by name. Complete once `start` resolved. */
  readonly listening: Readonly<Record<string, string>>
  /** @throws {CommandError} `CANNOT_RUN` when a process dies before it is ready: the others are stopped again */
  start(): Promise<void>
  send(name: string, order: Order): void
  pids(): Record<string, number | undefined>
  stop(): Promise<void>
}

interface Kept {
  readonly name: string
  child: ChildProcess | undefined
  /** Deaths in a row before it was ready, and how it died last. */
  deaths: number
  how: string
  restarts: number
  timer: NodeJS.Timeout | undefined
}

const DEATHS_MAX = 5
const BACK_OFF_MS = { first: 100, max: 5000 }
/** One that keeps dying and that nothing needs is tried more rarely. */
const HOPELESS_FACTOR = 12
/** One that ended sooner after it was ready counts as one that never was. */
const LIVED_MS_MIN = 10_000
const STOP_TIMEOUT_MS = 30_000

export function openSupervisor(options: SupervisorOptions): Supervisor {
  return new Row(options)
}

class Row implements Supervisor {
  readonly listening: Record<string, string> = {}
  readonly #options: SupervisorOptions
  readonly #kept: readonly Kept[]
  #stopping = false

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#kept = options.names.map((name) => {
      return { name, child: undefined, deaths: 0, how: '', restarts: 0, timer: undefined }
    })
  }

  async start(): Promise<void> {
    try {
      for (const one of this.#kept) {
        // Told to stop meanwhile: what is not started yet stays so.
        if (this.#stopping) return
        if (this.#isOptional(one)) await this.#run(one).catch(() => this.#failed(one))
        else await this.#run(one)
      }
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  send(name: string, order: Order): void {
    const child = this.#kept.find((one) => one.name === name)?.child
    if (child?.connected === true) child.send(order)
  }

  pids(): Record<string, number | undefined> {
    return Object.fromEntries(this.#kept.map(({ name, child }) => [name, child?.pid]))
  }

  async stop(): Promise<void> {
    const { stopTimeoutMs = STOP_TIMEOUT_MS, onHappening } = this.#options
    this.#stopping = true
    for (const one of this.#kept) clearTimeout(one.timer)
    // The last first: what the gateway has begun still needs the ledger, and the ledger the signer.
    for (const { name, child } of this.#kept.toReversed()) {
      if (child === undefined) continue
      await stopOne(child, stopTimeoutMs, () =>
        onHappening({ kind: 'killed', name, afterMs: stopTimeoutMs }),
      )
    }
  }

  /** Starts one process; resolves when it is ready, rejects when it dies before. */
  async #run(one: Kept): Promise<void> {
    const child = this.#options.start(one.name)
    one.child = child
    let ready = false
    let readyAtMs = 0
    await new Promise<void>((resolve, reject) => {
      child.on('message', (message) => {
        if (!isReady(message)) return
        ready = true
        readyAtMs = performance.now()
        if (!this.#isOptional(one)) one.deaths = 0
        Object.assign(this.listening, message.listening)
        this.#options.onHappening({
          kind: 'ready',
          name: one.name,
          pid: child.pid,
          restarts: one.restarts,
        })
        resolve()
      })
      child.once('error', (cause) => {
        one.how = cause.message
        reject(couldNotStart(one))
      })
      child.once('exit', (code, signal) => {
        one.child = undefined
        one.how = signal ?? `exit code ${code}`
        if (!ready) reject(couldNotStart(one))
        else if (!this.#stopping) this.#diedLater(one, performance.now() - readyAtMs)
      })
    })
  }

  #again(one: Kept): void {
    const { deathsMax = DEATHS_MAX, backOffMs = BACK_OFF_MS, onGiveUp, onHappening } = this.#options
    const isHopeless = one.deaths >= deathsMax
    if (isHopeless && !this.#isOptional(one)) {
      onGiveUp(givenUp(one, deathsMax))
      return
    }
    const againInMs = isHopeless
      ? backOffMs.max * HOPELESS_FACTOR
      : Math.min(backOffMs.max, backOffMs.first * 2 ** one.deaths)
    onHappening({ kind: 'died', name: one.name, how: one.how, againInMs })
    one.timer = setTimeout(() => {
      one.restarts += 1
      this.#run(one).catch(() => this.#failed(one))
    }, againInMs)
  }

  /** One that nothing needs may die as often as it likes, but not in quick succession. */
  #diedLater(one: Kept, livedMs: number): void {
    if (this.#isOptional(one)) one.deaths = livedMs < LIVED_MS_MIN ? one.deaths + 1 : 0
    this.#again(one)
  }

  /** How it ended is kept with it; `#again` says it, and decides whether that was once too often. */
  #failed(one: Kept): void {
    one.deaths += 1
    if (!this.#stopping) this.#again(one)
  }

  #isOptional({ name }: Kept): boolean {
    return this.#options.optional?.has(name) === true
  }
}

async function stopOne(child: ChildProcess, timeoutMs: number, onKill: () => void): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => {
      onKill()
      child.kill('SIGKILL')
    }, timeoutMs)
    child.once('exit', () => {
      clearTimeout(timer)
      resolve()
    })
    if (child.connected) child.send({ kind: 'stop' } satisfies Order)
    else child.kill('SIGTERM')
  })
}

function couldNotStart({ name, how }: Kept): CommandError {
  return new CommandError(
    'CANNOT_RUN',
    `could not start the ${name}: it ended (${how}) before it was ready`,
  )
}

function givenUp({ name, how }: Kept, times: number): CommandError {
  const message = `could not keep the ${name} running: it ended ${times} times in a row (${how})`
  return new CommandError('CANNOT_RUN', message, { hint: 'what it said about it stands above' })
}
