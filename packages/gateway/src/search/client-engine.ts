/** An engine over the client of ClickHouse's authors, whatever carries its statements. */
import { randomUUID } from 'node:crypto'
import type { ClickHouseClient } from '@clickhouse/client'
import type { Engine, QueryLimits, Row, Statement } from './engine.ts'
import { errorOf } from './clickhouse-error.ts'

/** A 64-bit number is no JSON number. */
const ALWAYS = { output_format_json_quote_64bit_integers: 1 } as const

/** Said with each statement: in process, a setting holds until another is said. */
export const NO_LIMITS: QueryLimits = { rowsMax: 0, timeMs: 0, memoryBytesMax: 0 }

/** How long to wait for whatever carries the statements; each ends with `SEARCH_UNAVAILABLE`. */
export interface Patience {
  /** A statement that changes tables, such as one that rewrites parts to erase. */
  readonly commandMs: number
  readonly insertMs: number
  /** A question without a limit of its own; one with a limit gets that, and `graceMs`. */
  readonly queryMs: number
  readonly graceMs: number
}

/** Settings of ClickHouse, by name. */
export type Settings = Readonly<Record<string, string | number>>

/** How a client is used. In process nothing can get lost, and nothing of it is said. */
export interface ClientUse {
  readonly patience?: Patience
  /** Where it is, for messages: host and port. */
  readonly place?: string
  /** Said with each statement, and with each insert. */
  readonly settings?: Settings
  readonly insertSettings?: Settings
}

/** Wraps an open client; closing the engine closes it. */
export function clientEngine(
  client: ClickHouseClient,
  kind: Engine['kind'],
  { patience, place, settings, insertSettings }: ClientUse = {},
): Engine {
  return {
    kind,
    command: (sql, statement) =>
      waited({ forMs: patience?.commandMs, statement, place }, async (signal) => {
        await client.command({ query: sql, ...optionsOf({ statement, signal, settings }) })
      }),
    async *rows(sql: string, statement?: Statement): AsyncGenerator<Row> {
      const forMs = patience === undefined ? undefined : queryMs(patience, statement?.limits)
      const wait = waiting({ forMs, statement, place })
      try {
        const options = optionsOf({ statement, signal: wait.signal, settings })
        const result = await client.query({ query: sql, format: 'JSONEachRow', ...options })
        for await (const batch of result.stream<Row>()) for (const row of batch) yield row.json()
      } catch (cause) {
        throw wait.errorOf(cause)
      } finally {
        wait.end()
      }
    },
    insert: ({ table, columns, rows }, token) =>
      waited({ forMs: patience?.insertMs, place }, async (signal) => {
        await client.insert({
          table,
          columns: namesOf(columns),
          values: [...rows],
          format: 'JSONCompactEachRow',
          clickhouse_settings: {
            ...settings,
            ...settingsOf(NO_LIMITS),
            ...insertSettings,
            // Without one of ours two equal blocks are two: one may be written again after its rows were deleted.
            insert_deduplication_token: token ?? randomUUID(),
          },
          ...(signal === undefined ? {} : { abort_signal: signal }),
        })
      }),
    close: () => client.close(),
  }
}

/** The client's type for them: at least one. */
function namesOf([first = '', ...others]: readonly string[]): [string, ...string[]] {
  return [first, ...others]
}

function queryMs({ queryMs: usual, graceMs }: Patience, limits: QueryLimits | undefined): number {
  return limits === undefined || limits.timeMs === 0 ? usual : limits.timeMs + graceMs
}

interface Said {
  readonly statement: Statement | undefined
  readonly signal: AbortSignal | undefined
  readonly settings: Settings | undefined
}

function optionsOf({ statement, signal, settings }: Said): Record<string, unknown> {
  const { params, limits = NO_LIMITS } = statement ?? {}
  return {
    ...(params === undefined ? {} : { query_params: params }),
    ...(signal === undefined ? {} : { abort_signal: signal }),
    clickhouse_settings: { ...ALWAYS, ...settings, ...settingsOf(limits) },
  }
}

export function settingsOf({
  rowsMax,
  timeMs,
  memoryBytesMax,
}: QueryLimits): Record<string, string> {
  return {
    max_result_rows: String(rowsMax),
    result_overflow_mode: 'throw',
    max_execution_time: String(timeMs / 1000),
    max_memory_usage: String(memoryBytesMax),
  }
}

interface Wait {
  readonly forMs: number | undefined
  readonly statement?: Statement | undefined
  readonly place: string | undefined
}

async function waited<T>(
  wait: Wait,
  work: (signal: AbortSignal | undefined) => Promise<T>,
): Promise<T> {
  const { signal, errorOf: said, end } = waiting(wait)
  try {
    return await work(signal)
  } catch (cause) {
    throw said(cause)
  } finally {
    end()
  }
}

/** One signal for "whoever asked gave up" and "it takes too long", and which of them it was. */
function waiting({ forMs, statement, place }: Wait): {
  readonly signal: AbortSignal | undefined
  readonly errorOf: (cause: unknown) => Error
  readonly end: () => void
} {
  const late = new AbortController()
  const timer = forMs === undefined ? undefined : setTimeout(() => late.abort(), forMs)
  const signals = [statement?.signal, timer === undefined ? undefined : late.signal].filter(
    (signal) => signal !== undefined,
  )
  return {
    signal: signals.length === 0 ? undefined : AbortSignal.any(signals),
    errorOf: (cause) =>
      errorOf(cause, {
        silentMs: late.signal.aborted ? forMs : undefined,
        gaveUp: statement?.signal?.aborted === true,
        isQuestion: statement?.limits !== undefined,
        place,
      }),
    end: () => {
      clearTimeout(timer)
    },
  }
}
