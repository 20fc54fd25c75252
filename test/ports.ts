/**
 * Ports for processes that a test starts and starts again. They are taken from below the range in which the kernel finds ports for
 * outgoing connections: a port from there may be gone before the process under test listens on it.
 */
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

const FIRST = 10_000
/** Linux gives out ports from 32,768 on. */
const END = 32_768
const given = new Set<number>()

/** `count` ports of 127.0.0.1, each another, that nobody listens on. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) {
    const port = randomInt(FIRST, END)
    if (given.has(port) || !(await isFree(port))) continue
    given.add(port)
    ports.push(port)
  }
  return ports
}

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1)
  return port
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return true
  } catch {
    // Somebody listens there, whoever it is.
    return false
  } finally {
    server.close()
  }
}
