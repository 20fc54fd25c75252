/** An engine over the client of ClickHouse's authors, whatever carries its statements. */
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

/** Wraps an open client; closing the engine closes it. @param patience absent in process, where nothing can get lost */
export function clientEngine(
  client: ClickHouseClient,
  kind: Engine['kind'],
  patience?: Patience,
): Engine {
  return {
    kind,
    command: (sql, statement) =>
      waited({ forMs: patience?.commandMs, statement }, async (signal) => {
        await client.command({ query: sql, ...optionsOf(statement, signal) })
      }),
    async *rows(sql: string, statement?: Statement): AsyncGenerator<Row> {
      const forMs = patience === undefined ? undefined : queryMs(patience, statement?.limits)
      const wait = waiting({ forMs, statement })
      try {
        const options = optionsOf(statement, wait.signal)
        const result = await client.query({ query: sql, format: 'JSONEachRow', ...options })
        for await (const batch of result.stream<Row>()) for (const row of batch) yield row.json()
      } catch (cause) {
        throw wait.errorOf(cause)
      } finally {
        wait.end()
      }
    },
    insert: (table, rows, token) =>
      waited({ forMs: patience?.insertMs }, async (signal) => {
        await client.insert({
          table,
          values: [...rows],
          format: 'JSONEachRow',
          clickhouse_settings: {
            ...settingsOf(NO_LIMITS),
            insert_deduplication_token: token ?? '',
          },
          ...(signal === undefined ? {} : { abort_signal: signal }),
        })
      }),
    close: () => client.close(),
  }
}

function queryMs({ queryMs: usual, graceMs }: Patience, limits: QueryLimits | undefined): number {
  return limits === undefined || limits.timeMs === 0 ? usual : limits.timeMs + graceMs
}

function optionsOf(
  { params, limits = NO_LIMITS }: Statement = {},
  signal?: AbortSignal,
): Record<string, unknown> {
  return {
    ...(params === undefined ? {} : { query_params: params }),
    ...(signal === undefined ? {} : { abort_signal: signal }),
    clickhouse_settings: { ...ALWAYS, ...settingsOf(limits) },
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
function waiting({ forMs, statement }: Wait): {
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
      }),
    end: () => {
      clearTimeout(timer)
    },
  }
}
