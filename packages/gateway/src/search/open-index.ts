/** Opens the index over an engine: brings its tables up to date, and puts its writing and its asking together. */
import type { Engine } from './engine.ts'
import { migrate } from './migrate.ts'
import { rowsOf } from './read-rows.ts'
import { openRemoval } from './removal.ts'
import type { Index } from './rows.ts'
import { singlePlacement } from './schema.ts'
import type { Placement } from './schema.ts'
import { openStore } from './store.ts'

/** How the index answers. */
export type Answers = Pick<Index, 'search' | 'find' | 'aggregate' | 'values' | 'count'>

export interface IndexOptions {
  /** Closed with the index. */
  readonly engine: Engine
  /** Where tables lie; one server when absent. */
  readonly placement?: Placement
  readonly answers: (engine: Engine) => Answers
}

/**
 * Opens the index, and makes its tables where they are not there.
 * @throws {SearchError} `SEARCH_SCHEMA` for a newer version or tables of somebody else; as the engine does
 */
export async function openIndex({
  engine,
  placement = singlePlacement,
  answers,
}: IndexOptions): Promise<Index> {
  await migrate(engine, placement)
  const tables = { engine, placement }
  return {
    ...openStore(tables),
    ...openRemoval(tables),
    ...answers(engine),
    logs: () => rowsOf(engine).logs(),
    close: () => engine.close(),
  }
}
