/**
 * Several connections to the one engine of this process, each with one statement at a time. A connection whose statement failed is
 * closed and never used again: chdb leaves the rows that such a statement had written so far in the connection, and puts them in
 * front of the next answer, which is another reader's.
 */
import type { createClient } from '@clickhouse/client'
import { SearchError } from './errors.ts'

/** What the client asks of whatever carries its statements. */
export type Connection = NonNullable<NonNullable<Parameters<typeof createClient>[0]>['connection']>

/** Statements at once: each holds a thread of libuv, of which a process has four, and files and names need one too. */
export const STATEMENTS_AT_ONCE = 3

/** Statements that may wait for a connection. */
export const STATEMENTS_WAITING_MAX = 64

interface Slot {
  /** Opened when first needed; absent after a failure. */
  connection: Connection | undefined
}

/** @param open makes one more connection to the same data. One stays open and unused: when the last goes, the engine goes. */
export function embeddedConnections(open: () => Connection): Connection {
  const anchor = open()
  const free: Slot[] = Array.from({ length: STATEMENTS_AT_ONCE }, () => ({ connection: undefined }))
  const waiting: ((slot: Slot) => void)[] = []
  const running = new Set<Promise<unknown>>()

  const take = async (): Promise<Slot> => {
    const slot = free.pop()
    if (slot !== undefined) return slot
    if (waiting.length >= STATEMENTS_WAITING_MAX) {
      throw new SearchError(
        'SEARCH_LIMIT',
        `could not answer: ${STATEMENTS_WAITING_MAX} questions wait already`,
        { hint: 'ask again in a while' },
      )
    }
    return new Promise((resolve) => {
      waiting.push(resolve)
    })
  }
  const give = (slot: Slot): void => {
    const next = waiting.shift()
    if (next === undefined) free.push(slot)
    else next(slot)
  }
  const run = async <T>(
    work: (connection: Connection) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> => {
    const slot = await take()
    const native = statement(slot, work, signal).finally(() => {
      running.delete(native)
      give(slot)
    })
    running.add(native)
    // Nothing interrupts a statement in this process: whoever gives up goes, and the connection is taken until it ended.
    return signal === undefined ? native : Promise.race([native, aborted(signal, native)])
  }
  const statement = async <T>(
    slot: Slot,
    work: (connection: Connection) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> => {
    signal?.throwIfAborted()
    const connection = (slot.connection ??= open())
    try {
      return await work(connection)
    } catch (cause) {
      slot.connection = undefined
      await connection.close()
      throw cause
    }
  }
  return {
    query: ({ abort_signal, ...params }) => run((on) => on.query(params), abort_signal),
    exec: ({ abort_signal, ...params }) => run((on) => on.exec(params), abort_signal),
    command: ({ abort_signal, ...params }) => run((on) => on.command(params), abort_signal),
    insert: ({ abort_signal, ...params }) => run((on) => on.insert(params), abort_signal),
    ping: (params) => anchor.ping(params),
    close: async () => {
      await Promise.allSettled(running)
      for (const { connection } of free.splice(0)) await connection?.close()
      await anchor.close()
    },
  }
}

/** Rejects when the signal says so; never settles after the work has. */
function aborted(signal: AbortSignal, work: Promise<unknown>): Promise<never> {
  return new Promise((_, reject) => {
    const give = (): void => {
      reject(new SearchError('SEARCH_LIMIT', 'could not answer: whoever asked gave up'))
    }
    signal.addEventListener('abort', give, { once: true })
    const done = (): void => {
      signal.removeEventListener('abort', give)
    }
    work.then(done, done)
  })
}
