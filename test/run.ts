/**
 * `npm test`: everything a change must pass, in two stages. Files named `*.slow.test.ts` come second. One file more than there are
 * processors runs at a time, since each waits now and then.
 * `npm test -- <word>` runs only the files whose path holds the word. Output: a line a file, failures in full, and the
 * closing counts of node's own runner, both stages added up.
 */
import { glob } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { run } from 'node:test'
import { Report } from './report.ts'
import { provide, searchPath } from './setup.ts'

const root = resolve(import.meta.dirname, '..')
const patterns = [
  'packages/*/src/**/*.test.ts',
  'packages/*/bench/**/*.test.ts',
  'test/**/*.test.ts',
  'bench/**/*.test.ts',
]
const stages = [
  { name: 'tests', timeoutMs: 300_000, slow: false },
  { name: 'slow tests', timeoutMs: 900_000, slow: true },
]
const concurrency = Math.max(2, availableParallelism()) + 1

const say = (line: string): void => void process.stdout.write(`${line}\n`)

async function testFiles(words: readonly string[]): Promise<string[]> {
  const files: string[] = []
  for await (const file of glob(patterns, { cwd: root })) {
    if (words.length === 0 || words.some((word) => file.includes(word))) files.push(file)
  }
  return files.toSorted()
}

async function main(words: readonly string[]): Promise<boolean> {
  process.env['PATH'] = searchPath
  const absent = provide(undefined, say)
  const files = await testFiles(words)
  if (files.length === 0) {
    say(`could not find a test file whose path holds ${words.join(' or ') || 'anything'}`)
    return false
  }
  const report = new Report({ root, say })
  for (const stage of stages) {
    const chosen = files.filter((file) => file.endsWith('.slow.test.ts') === stage.slow)
    if (chosen.length === 0) continue
    say(`${stage.name}: ${chosen.length} files, ${concurrency} at a time`)
    const events = run({
      cwd: root,
      files: chosen.map((file) => resolve(root, file)),
      concurrency,
      timeout: stage.timeoutMs,
      execArgv: ['--conditions=@countersign/source'],
    })
    await report.follow(events)
  }
  return report.close(absent)
}

process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1
