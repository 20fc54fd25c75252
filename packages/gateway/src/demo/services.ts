import { fork } from 'node:child_process'
import { once } from 'node:events'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The demo's services, running; ports of 127.0.0.1. */
export interface DemoServices {
  readonly orders: number
  readonly billing: number
  readonly payments: number
  close(): Promise<void>
}

/** Starts orders, billing and payments in one process of their own. */
export async function openDemoServices(): Promise<DemoServices> {
  // Beside this file: TypeScript in a checkout, JavaScript once published.
  const program = fileURLToPath(
    new URL(`services-process${extname(import.meta.filename)}`, import.meta.url),
  )
  const child = fork(program, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const exited = once(child, 'exit')
  const { promise: ready, resolve } = Promise.withResolvers<unknown>()
  child.once('message', resolve)
  const ports = await Promise.race([ready, exited.then(() => undefined)])
  return {
    orders: portOf(ports, 'orders'),
    billing: portOf(ports, 'billing'),
    payments: portOf(ports, 'payments'),
    async close() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.disconnect()
      await exited
    },
  }
}

function portOf(ports: unknown, name: string): number {
  const entries = typeof ports === 'object' && ports !== null ? Object.entries(ports) : []
  const port: unknown = entries.find(([key]) => key === name)?.[1]
  if (typeof port !== 'number') throw new Error(`could not start the demo: ${name} has no port`)
  return port
}
