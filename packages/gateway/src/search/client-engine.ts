/** An engine over the client of ClickHouse's authors, whatever carries its statements. */
import type { ClickHouseClient } from '@clickhouse/client'
import type { Engine, QueryLimits, Row, Statement } from './engine.ts'
import { SearchError } from './errors.ts'

/** A 64-bit number is no JSON number. */
const ALWAYS = { output_format_json_quote_64bit_integers: 1 } as const

/** Wraps an open client; closing the engine closes it. */
export function clientEngine(client: ClickHouseClient, kind: Engine['kind']): Engine {
  return {
    kind,
    command: (sql, statement) =>
      translated(async () => {
        await client.command({ query: sql, ...optionsOf(statement) })
      }),
    async *rows(sql: string, statement?: Statement): AsyncGenerator<Row> {
      const result = await translated(() =>
        client.query({ query: sql, format: 'JSONEachRow', ...optionsOf(statement) }),
      )
      try {
        for await (const batch of result.stream<Row>()) for (const row of batch) yield row.json()
      } catch (cause) {
        throw errorOf(cause)
      }
    },
    insert: (table, rows, token) =>
      translated(async () => {
        await client.insert({
          table,
          values: [...rows],
          format: 'JSONEachRow',
          ...(token === undefined
            ? {}
            : { clickhouse_settings: { insert_deduplication_token: token } }),
        })
      }),
    close: () => client.close(),
  }
}

function optionsOf({ params, limits, signal }: Statement = {}): Record<string, unknown> {
  return {
    ...(params === undefined ? {} : { query_params: params }),
    ...(signal === undefined ? {} : { abort_signal: signal }),
    clickhouse_settings: { ...ALWAYS, ...(limits === undefined ? {} : settingsOf(limits)) },
  }
}

function settingsOf({ rowsMax, timeMs, memoryBytesMax }: QueryLimits): Record<string, unknown> {
  return {
    max_result_rows: String(rowsMax),
    result_overflow_mode: 'throw',
    max_execution_time: timeMs / 1000,
    max_memory_usage: String(memoryBytesMax),
  }
}

async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw errorOf(cause)
  }
}

/** ClickHouse's names of what went wrong, in ours. */
function errorOf(cause: unknown): SearchError {
  if (cause instanceof SearchError) return cause
  const text = cause instanceof Error ? cause.message : String(cause)
  if (/MEMORY_LIMIT_EXCEEDED|TIMEOUT_EXCEEDED|TOO_MANY_ROWS|TOO_MANY_BYTES/.test(text)) {
    return new SearchError('SEARCH_LIMIT', `could not answer: ${firstLine(text)}`, {
      cause,
      hint: 'ask about less time, or fewer groups',
    })
  }
  if (/NOT_ENOUGH_SPACE|No space left on device/.test(text)) {
    return new SearchError('SEARCH_FULL', 'could not write the index: its disk is full', {
      cause,
      hint: 'nothing is lost: the log has it all. Free some space, and the reader goes on',
    })
  }
  return new SearchError('SEARCH_UNAVAILABLE', `could not use ClickHouse: ${firstLine(text)}`, {
    cause,
  })
}

function firstLine(text: string): string {
  return text.split('\n')[0]?.slice(0, 300) ?? ''
}
