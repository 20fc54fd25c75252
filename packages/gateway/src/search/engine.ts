/**
 * ClickHouse as the search room sees it: one client and one dialect, whether it runs in this process (chdb) or is a server or a
 * cluster. Whoever opens one closes it; an embedded one holds its data folder alone.
 */

/** What one statement may take. Past any of them it ends with `SEARCH_LIMIT`. */
export interface QueryLimits {
  /** Rows of the answer. */
  readonly rowsMax: number
  readonly timeMs: number
  readonly memoryBytesMax: number
}

export interface Statement {
  /** Bound as `{name:Type}` in the statement: nothing that a user wrote is ever part of its text. */
  readonly params?: Readonly<Record<string, unknown>>
  readonly limits?: QueryLimits
  readonly signal?: AbortSignal
}

/** As it goes to ClickHouse, and comes back from it: JSONEachRow, 64-bit integers as decimal strings. */
export type Row = Readonly<Record<string, unknown>>

/** Rows that are inserted together. */
export interface Block {
  readonly table: string
  readonly columns: readonly string[]
  /** Values in the order of the columns, as in a row; undefined is what the column has by default. Taken once, one after the other. */
  readonly rows: Iterable<readonly unknown[]>
}

export function oneRow(table: string, row: Row): Block {
  return { table, columns: Object.keys(row), rows: [Object.values(row)] }
}

/** @throws {SearchError} from each: `SEARCH_UNAVAILABLE` when ClickHouse cannot be reached, `SEARCH_FULL` when its disk is. */
export interface Engine {
  readonly kind: 'embedded' | 'server'
  /** Grows when others may have written in between: what was known of the tables is old. Absent where they cannot. */
  readonly generation?: number
  /** Runs a statement that answers nothing. */
  command(sql: string, statement?: Statement): Promise<void>
  /** The rows of an answer as they come, one object a row. */
  rows(sql: string, statement?: Statement): AsyncIterable<Row>
  /** @param token where tables are replicated, a block with a token that was seen before is dropped. */
  insert(block: Block, token?: string): Promise<void>
  close(): Promise<void>
}
