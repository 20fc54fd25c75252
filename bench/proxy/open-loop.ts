/**
 * The open loop: requests leave at a fixed rate whether or not answers have come, and latency counts from the moment a
 * request was due, so that a stall is seen by every request that it delays. Runs as a process of its own:
 *   node open-loop.ts '{"port":8080,"path":"/","headers":{},"rate":1000,"seconds":5,"connections":32}'
 * A second thread keeps the pace, since timers of the event loop are a millisecond coarse.
 */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { Worker, isMainThread, workerData } from 'node:worker_threads'
import { percentile, rounded } from '../measure.ts'

export interface OpenLoopPlan {
  readonly port: number
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** Requests a second. */
  readonly rate: number
  readonly seconds: number
  readonly connections: number
}

export interface OpenLoopResult {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly requests: number
  readonly errors: number
}

const drainTimeoutMs = 10_000
const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6

/** Tells the main thread how many requests are due by now, each at its time. */
function keepPace(due: Int32Array, startMs: number, plan: OpenLoopPlan): void {
  const total = Math.floor(plan.rate * plan.seconds)
  const never = new Int32Array(new SharedArrayBuffer(4))
  for (let sent = 0; sent < total;) {
    const count = Math.min(total, Math.floor(((nowMs() - startMs) / 1000) * plan.rate) + 1)
    if (count > sent) {
      sent = count
      Atomics.store(due, 0, sent)
      Atomics.notify(due, 0)
    }
    Atomics.wait(never, 0, 0, Math.max(0.01, startMs + (sent / plan.rate) * 1000 - nowMs()))
  }
}

class Client {
  readonly #plan: OpenLoopPlan
  readonly #request: Buffer
  readonly #startMs: number
  readonly #idle: Socket[] = []
  readonly #waiting: number[] = []
  readonly latencies: number[] = []
  errors = 0

  constructor(plan: OpenLoopPlan, startMs: number) {
    this.#plan = plan
    this.#startMs = startMs
    const headers = Object.entries({ host: `127.0.0.1:${plan.port}`, ...plan.headers })
    const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    this.#request = Buffer.from(`GET ${plan.path} HTTP/1.1\r\n${lines}\r\n`)
  }

  async open(): Promise<void> {
    for (let count = 0; count < this.#plan.connections; count++) {
      const socket = connect(this.#plan.port, '127.0.0.1').setNoDelay(true)
      await new Promise((settle, refuse) => socket.once('connect', settle).once('error', refuse))
      socket.on('error', () => this.errors++)
      this.#idle.push(socket)
    }
  }

  close(): void {
    for (const socket of this.#idle) socket.destroy()
  }

  get done(): number {
    return this.latencies.length + this.errors
  }

  send(index: number): void {
    const socket = this.#idle.pop()
    if (socket === undefined) this.#waiting.push(index)
    else this.#exchange(socket, index)
  }

  #exchange(socket: Socket, index: number): void {
    let missing = -1
    let head: Buffer = Buffer.alloc(0)
    const take = (chunk: Buffer): void => {
      if (missing >= 0) missing -= chunk.length
      else {
        head = head.length === 0 ? chunk : Buffer.concat([head, chunk])
        const end = head.indexOf('\r\n\r\n')
        if (end < 0) return
        missing = this.#bodyBytes(head.toString('latin1', 0, end)) - (head.length - end - 4)
      }
      if (missing > 0) return
      assert.equal(missing, 0, 'more came than the answer holds')
      socket.off('data', take)
      this.latencies.push(nowMs() - this.#startMs - (index / this.#plan.rate) * 1000)
      const next = this.#waiting.shift()
      if (next === undefined) this.#idle.push(socket)
      else this.#exchange(socket, next)
    }
    socket.on('data', take)
    socket.write(this.#request)
  }

  #bodyBytes(head: string): number {
    if (!head.startsWith('HTTP/1.1 200'))
      throw new Error(`could not measure: ${head.split('\r\n', 1)[0]}`)
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
    if (length === undefined) throw new Error('could not measure: the answer has no content-length')
    return Number(length)
  }
}

async function main(plan: OpenLoopPlan): Promise<void> {
  const total = Math.floor(plan.rate * plan.seconds)
  const due = new Int32Array(new SharedArrayBuffer(4))
  const startMs = nowMs() + 500
  const client = new Client(plan, startMs)
  await client.open()
  const pacer = new Worker(new URL(import.meta.url), { workerData: { due, startMs, plan } })
  pacer.on('error', (error) => {
    throw error
  })
  for (let sent = 0; sent < total;) {
    const waiting = Atomics.waitAsync(due, 0, sent)
    if (waiting.async) await waiting.value
    for (const count = Atomics.load(due, 0); sent < count; sent++) client.send(sent)
  }
  const untilMs = nowMs() + drainTimeoutMs
  while (client.done < total && nowMs() < untilMs)
    await new Promise((settle) => setTimeout(settle, 10))
  client.close()
  // The first tenth warms up pools and compilers, here and there.
  const latencies = client.latencies.slice(Math.floor(total / 10)).toSorted((a, b) => a - b)
  const result: OpenLoopResult = {
    p50Ms: rounded(percentile(latencies, 0.5), 3),
    p99Ms: rounded(percentile(latencies, 0.99), 3),
    requests: client.latencies.length,
    errors: client.errors + (total - client.done),
  }
  process.stdout.write(`${JSON.stringify(result)}\n`)
}

if (isMainThread) await main(JSON.parse(process.argv[2] ?? '') as OpenLoopPlan)
else {
  const { due, startMs, plan } = workerData as {
    due: Int32Array
    startMs: number
    plan: OpenLoopPlan
  }
  keepPace(due, startMs, plan)
}
