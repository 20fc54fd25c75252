/**
 * The index: rows a second, bytes a row, and how long an investigator waits for the answers to twelve questions. With `--peer`, the same
 * rows and questions in PostgreSQL and in SQLite on this machine, one after the other. With `--lag`, how far the reader is behind a log
 * that grows.
 * Usage: node -C @countersign/source bench/search.ts [--json] [--transactions N] [--runs N] [--peer] [--lag] [--quick]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { rounded, table } from './measure.ts'
import { measureLag } from './search/lag.ts'
import type { Lag } from './search/lag.ts'
import { loadIndex, openBenchIndex, timeQuestions } from './search/load.ts'
import type { Loaded, Timing } from './search/load.ts'
import { measurePostgres } from './search/postgres.ts'
import { questions } from './search/questions.ts'
import { measureSqlite } from './search/sqlite.ts'
import type { PeerFigures } from './search/sqlite.ts'

interface Figures extends Loaded {
  readonly transactions: number
  readonly runs: number
  readonly questions: readonly Timing[]
  readonly peers?: Readonly<Record<string, PeerFigures>>
  readonly lag?: readonly Lag[]
}

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    transactions: { type: 'string' },
    runs: { type: 'string' },
    peer: { type: 'boolean', default: false },
    lag: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
  },
})
const transactions = Number(values.transactions ?? (values.quick ? 100_000 : 10_000_000))
const runs = Number(values.runs ?? (values.quick ? 3 : 20))
if (!(transactions >= 1000 && runs >= 1))
  throw new RangeError('could not run: --transactions is at least 1000, and --runs at least 1')

const say = (line: string): void => {
  if (!values.json) process.stdout.write(`${line}\n`)
}

const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-search-'))
try {
  const figures = await measure()
  if (values.json) process.stdout.write(`${JSON.stringify(figures)}\n`)
  else tell(figures)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function measure(): Promise<Figures> {
  const ours = await measureIndex()
  const lag = values.lag || values.quick ? await measureLag(folder, lagRates(), say) : undefined
  if (!values.peer) return { ...ours, ...(lag === undefined ? {} : { lag }) }
  const postgres = await measurePostgres(folder, { total: transactions, runs, say })
  const sqlite = await measureSqlite(folder, { total: transactions, runs, say })
  return { ...ours, peers: { postgres, sqlite }, ...(lag === undefined ? {} : { lag }) }
}

function lagRates(): readonly { perSecond: number; seconds: number }[] {
  const seconds = values.quick ? 2 : 20
  return (values.quick ? [5000] : [5000, 10_000, 20_000]).map((perSecond) => ({
    perSecond,
    seconds,
  }))
}

async function measureIndex(): Promise<Figures> {
  const opened = await openBenchIndex(join(folder, 'index'))
  const { index } = opened
  try {
    let told = 0
    const loaded = await loadIndex(opened, transactions, (rows) => {
      if (rows - told < transactions / 10) return
      told = rows
      say(`loaded ${rows.toLocaleString('en-US')} of ${transactions.toLocaleString('en-US')}`)
    })
    const timings = await timeQuestions(questions, runs, {
      total: transactions,
      async ask(kind, random) {
        const question = kind.draw(random, transactions)
        await question.before?.(index)
        const startMs = performance.now()
        await question.ask(index)
        return performance.now() - startMs
      },
    })
    return { transactions, runs, ...loaded, questions: timings }
  } finally {
    await index.close()
  }
}

function tell({ questions: ours, peers = {}, lag = [], ...loaded }: Figures): void {
  const names = Object.keys(peers)
  say(
    `\n${loaded.transactions.toLocaleString('en-US')} transactions: ${loaded.rowsPerSecond.toLocaleString('en-US')} rows/s, merged ${loaded.mergeSeconds} s after the last, ${loaded.bytesPerRow} bytes a row`,
  )
  for (const [name, peer] of Object.entries(peers))
    say(
      `${name}: ${peer.rowsPerSecond.toLocaleString('en-US')} rows/s (${rounded(loaded.rowsPerSecond / peer.rowsPerSecond, 1)}x), ${peer.bytesPerRow} bytes a row (${rounded(peer.bytesPerRow / loaded.bytesPerRow, 1)}x)`,
    )
  const header = ['ms', 'p50', 'p95', ...names.flatMap((name) => [`${name} p95`, 'ratio'])]
  const rows = ours.map(({ name, p50Ms, p95Ms }, at) => [
    name,
    p50Ms.toFixed(1),
    p95Ms.toFixed(1),
    ...Object.values(peers).flatMap((peer) => {
      const theirs = peer.questions[at]?.p95Ms ?? Number.NaN
      return [theirs.toFixed(1), `${(theirs / p95Ms).toFixed(1)}x`]
    }),
  ])
  say(`\n${table([header, ...rows])}`)
  if (lag.length > 0)
    say(
      `\n${table([
        ['records/s', 'lag p50 ms', 'p95', 'max', 'CPU'],
        ...lag.map((one) => [
          one.perSecond.toLocaleString('en-US'),
          one.p50Ms.toFixed(0),
          one.p95Ms.toFixed(0),
          one.maxMs.toFixed(0),
          `${one.cpuPercent.toFixed(0)} %`,
        ]),
      ])}`,
    )
}
