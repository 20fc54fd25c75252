/** The index of a bench: opened in a folder, loaded, and asked. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { systemClock } from '../../packages/gateway/src/platform.ts'
import { openAnswers, openEmbeddedEngine, openIndex } from '../../packages/gateway/src/search.ts'
import type { Engine, Index } from '../../packages/gateway/src/search.ts'
import { percentile, rounded } from '../measure.ts'
import type { QuestionKind } from './questions.ts'
import { ORIGIN, randomFrom, transactionsOf } from './transactions.ts'

/** As the reader writes them. */
const BATCH = 20_000

/** How often it is looked whether merges are under way, and how long none must be. */
const LOOK_MS = 100
const QUIET_MS = 2000

export interface Loaded {
  readonly rowsPerSecond: number
  /** Seconds after the last row until what was loaded is merged as far as ClickHouse merges it by itself. */
  readonly mergeSeconds: number
  readonly bytesPerRow: number
}

export interface BenchIndex {
  readonly index: Index
  readonly engine: Engine
}

export interface Timing {
  readonly name: string
  readonly p50Ms: number
  readonly p95Ms: number
}

export async function openBenchIndex(folder: string): Promise<BenchIndex> {
  const engine = await openEmbeddedEngine(folder)
  const index = await openIndex({
    engine,
    answers: (asked) => openAnswers(asked, { clock: systemClock }),
  })
  return { index, engine }
}

/** @param onRows told how many rows are in */
export async function loadIndex(
  { index, engine }: BenchIndex,
  total: number,
  onRows: (rows: number) => void,
): Promise<Loaded> {
  let seconds = 0
  for (let from = 0; from < total; from += BATCH) {
    const to = Math.min(total, from + BATCH)
    const ended = transactionsOf({ from, to, total }).map((transaction) => ({ transaction }))
    // Making rows up is not loading them.
    const startMs = performance.now()
    await index.write({ origin: ORIGIN, next: 2 * to, ended, open: [] })
    seconds += (performance.now() - startMs) / 1000
    onRows(to)
  }
  const mergeSeconds = await merged(engine)
  const bytes = (await index.partitions()).reduce((sum, part) => sum + part.bytes, 0)
  return {
    rowsPerSecond: Math.round(total / seconds),
    mergeSeconds: rounded(mergeSeconds, 1),
    bytesPerRow: Math.round(bytes / total),
  }
}

/** Waits for the merges of what was loaded, as peers are let vacuum and analyze before they are asked. @returns seconds they took */
async function merged(engine: Engine): Promise<number> {
  const startMs = performance.now()
  let lastMs = startMs
  while (performance.now() - lastMs < QUIET_MS) {
    for await (const { merges } of engine.rows('SELECT count() AS merges FROM system.merges'))
      if (merges !== '0') lastMs = performance.now()
    await pause(LOOK_MS)
  }
  return (lastMs - startMs) / 1000
}

export async function timeQuestions(
  kinds: readonly QuestionKind[],
  runs: number,
  {
    total,
    ask,
  }: { total: number; ask: (kind: QuestionKind, random: () => number) => Promise<number> },
): Promise<Timing[]> {
  const timings: Timing[] = []
  for (const kind of kinds) {
    const random = randomFrom(total + runs)
    const times: number[] = []
    for (let run = 0; run < runs; run++) times.push(await ask(kind, random))
    const sorted = times.toSorted((a, b) => a - b)
    timings.push({
      name: kind.name,
      p50Ms: rounded(percentile(sorted, 0.5), 1),
      p95Ms: rounded(percentile(sorted, 0.95), 1),
    })
  }
  return timings
}

/** @returns bytes of all files below a folder that nobody changes */
export function bytesBelow(folder: string): number {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).reduce((sum, name) => {
    const found = statSync(join(folder, name))
    return found.isFile() ? sum + found.size : sum
  }, 0)
}
