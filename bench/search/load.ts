/** The index of a bench: opened in a folder, loaded, and asked. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../packages/gateway/src/platform.ts'
import { openAnswers, openEmbeddedEngine, openIndex } from '../../packages/gateway/src/search.ts'
import type { Index } from '../../packages/gateway/src/search.ts'
import { percentile, rounded } from '../measure.ts'
import type { QuestionKind } from './questions.ts'
import { ORIGIN, randomFrom, transactionsOf } from './transactions.ts'

/** As the reader writes them. */
const BATCH = 20_000

export interface Loaded {
  readonly rowsPerSecond: number
  readonly bytesPerRow: number
}

export interface Timing {
  readonly name: string
  readonly p50Ms: number
  readonly p95Ms: number
}

export async function openBenchIndex(folder: string): Promise<Index> {
  return await openIndex({
    engine: await openEmbeddedEngine(folder),
    answers: (engine) => openAnswers(engine, { clock: systemClock }),
  })
}

/** @param onRows told how many rows are in */
export async function loadIndex(
  index: Index,
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
  const bytes = (await index.partitions()).reduce((sum, part) => sum + part.bytes, 0)
  return { rowsPerSecond: Math.round(total / seconds), bytesPerRow: Math.round(bytes / total) }
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
