/** The same rows and questions in a PostgreSQL of this machine, started for it, asked over its socket by psql, which says how long each took. */
import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fieldSpec } from '@countersign/record/transaction'
import { columnOf, fieldNames } from '../../packages/gateway/src/search/columns.ts'
import { bytesBelow, timeQuestions } from './load.ts'
import { questions } from './questions.ts'
import { BATCH, cellsOf, columns, indexes } from './sqlite.ts'
import type { PeerFigures, PeerOptions } from './sqlite.ts'
import { transactionsOf } from './transactions.ts'

const ROOT = '/usr/lib/postgresql'
const SETTINGS = [
  'shared_buffers=2GB',
  'work_mem=256MB',
  'maintenance_work_mem=512MB',
  'max_wal_size=8GB',
]

/** @throws when there is no PostgreSQL here */
export async function measurePostgres(
  folder: string,
  { total, runs, say }: PeerOptions,
): Promise<PeerFigures> {
  const [version] = existsSync(ROOT) ? readdirSync(ROOT).toSorted().toReversed() : []
  if (version === undefined)
    throw new Error('could not measure PostgreSQL: none is here; apt-get install postgresql')
  const bin = join(ROOT, version, 'bin')
  const data = join(folder, 'postgres')
  mkdirSync(data)
  // It refuses to run as root; then it runs as the user that its package made.
  const isRoot = process.getuid?.() === 0
  if (isRoot) {
    chmodSync(folder, 0o711)
    execFileSync('chown', ['postgres', data])
  }
  const as = (program: string, args: readonly string[]): [string, string[]] =>
    isRoot ? ['runuser', ['-u', 'postgres', '--', program, ...args]] : [program, [...args]]
  execFileSync(...as(join(bin, 'initdb'), ['-D', data, '--auth=trust', '--no-sync']), {
    stdio: 'ignore',
  })
  const options = [...SETTINGS, `unix_socket_directories=${data}`, 'listen_addresses=']
  const server = spawn(
    ...as(join(bin, 'postgres'), ['-D', data, ...options.flatMap((one) => ['-c', one])]),
    {
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  )
  try {
    await readyLine(server.stderr)
    const psql = openPsql(
      as('psql', ['-h', data, '-d', 'postgres', '-q', '-X', '-A', '-t', '-o', '/dev/null']),
    )
    const seconds = await load(psql, total)
    say('loaded PostgreSQL')
    const bytes = bytesBelow(join(data, 'base'))
    const timings = await timeQuestions(questions, runs, {
      total,
      ask: (kind, random) => psql.time(kind.draw(random, total).sql('postgres')),
    })
    psql.close()
    return {
      rowsPerSecond: Math.round(total / seconds),
      bytesPerRow: Math.round(bytes / total),
      questions: timings,
    }
  } finally {
    const ended = once(server, 'exit')
    execFileSync(...as(join(bin, 'pg_ctl'), ['stop', '-D', data, '-m', 'immediate']), {
      stdio: 'ignore',
    })
    await ended
  }
}

async function readyLine(stderr: NodeJS.ReadableStream): Promise<void> {
  const lines = createInterface({ input: stderr })
  for await (const line of lines) if (line.includes('ready to accept connections')) break
  stderr.resume()
}

interface Psql {
  /** Runs statements. @returns milliseconds, as psql measured them */
  time(sql: string): Promise<number>
  copy(table: string, lines: string): Promise<number>
  close(): void
}

function openPsql([program, args]: [string, string[]]): Psql {
  const child: ChildProcessWithoutNullStreams = spawn(program, args)
  const waiting: ((ms: number) => void)[] = []
  let ms = 0
  // What it says about time goes to stdout, and so does the mark; answers go nowhere.
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [, time] = /^Time: ([\d.]+) ms/.exec(line) ?? []
    if (time !== undefined) ms += Number(time)
    if (line !== 'done') return
    waiting.shift()?.(ms)
    ms = 0
  })
  child.stderr.on('data', (piece: Buffer) => {
    throw new Error(`could not use PostgreSQL: ${piece.toString()}`)
  })
  const run = async (text: string): Promise<number> => {
    const { promise, resolve } = Promise.withResolvers<number>()
    waiting.push(resolve)
    child.stdin.write(text)
    return await promise
  }
  child.stdin.write('\\timing on\n')
  return {
    time: (sql) => run(`${sql};\n\\echo done\n`),
    copy: (target, lines) => run(`COPY ${target} FROM STDIN;\n${lines}\\.\n\\echo done\n`),
    close() {
      child.stdin.end('\\q\n')
    },
  }
}

async function load(psql: Psql, total: number): Promise<number> {
  const types = fieldNames.map((field) => {
    const { type } = fieldSpec(field)
    const sqlType =
      type === 'text' || type === 'list' ? 'text' : type === 'bool' ? 'smallint' : 'bigint'
    return `${columnOf(field).name} ${sqlType}`
  })
  let ms = await psql.time(`CREATE TABLE t (${types.join(', ')})`)
  for (const index of indexes) ms += await psql.time(index)
  ms += await psql.time(
    `CREATE INDEX t_words ON t USING gin (to_tsvector('simple', translate(path, '/', ' ')))`,
  )
  for (let from = 0; from < total; from += BATCH) {
    const lines = transactionsOf({ from, to: Math.min(total, from + BATCH), total })
      .map(
        (transaction) =>
          `${cellsOf(transaction)
            .map((cell) => cell ?? '\\N')
            .join('\t')}\n`,
      )
      .join('')
    ms += await psql.copy(`t (${columns.join(', ')})`, lines)
  }
  ms += await psql.time('VACUUM ANALYZE t')
  return ms / 1000
}
