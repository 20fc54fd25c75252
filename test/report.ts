/** Turns the events of node's test runner into a line a file, failures in full, and node's own closing counts. */
import { relative } from 'node:path'
import { inspect } from 'node:util'
import type { TestEvent } from 'node:test/reporters'

type Counts = Record<
  'tests' | 'suites' | 'passed' | 'failed' | 'cancelled' | 'skipped' | 'todo',
  number
>

const emptyCounts = (): Counts => ({
  tests: 0,
  suites: 0,
  passed: 0,
  failed: 0,
  cancelled: 0,
  skipped: 0,
  todo: 0,
})

interface Failure {
  readonly file: string
  readonly path: string
  readonly error: unknown
}

/** Follows one or more runs; `close()` prints what node's runner prints at the end, all runs added up. */
export class Report {
  readonly #root: string
  readonly #say: (line: string) => void
  readonly #counts = emptyCounts()
  readonly #failures: Failure[] = []
  readonly #skipped: string[] = []
  readonly #output = new Map<string, string>()
  readonly #open = new Map<string, string[]>()
  readonly #startedMs = performance.now()

  constructor(options: { root: string; say: (line: string) => void }) {
    this.#root = options.root
    this.#say = options.say
  }

  async follow(events: AsyncIterable<TestEvent>): Promise<void> {
    for await (const event of events) this.#take(event)
  }

  #take({ type, data }: TestEvent): void {
    // Plans, queues and diagnostics are left out: the counts at the end say what matters.
    if (type === 'test:start') this.#enter(this.#name(data.file), data)
    else if (type === 'test:pass') this.#pass(data)
    else if (type === 'test:fail') this.#fail(data)
    else if (type === 'test:stdout' || type === 'test:stderr') {
      const file = this.#name(data.file)
      this.#output.set(file, (this.#output.get(file) ?? '') + data.message)
    } else if (type === 'test:summary') this.#summary(data)
  }

  #pass(data: { file?: string; name: string; skip?: string | boolean }): void {
    if (data.skip === undefined || data.skip === false) return
    const why = typeof data.skip === 'string' && data.skip !== '' ? `, because ${data.skip}` : ''
    this.#skipped.push(`${this.#name(data.file)}: ${data.name}${why}`)
  }

  #name(file: string | undefined): string {
    return relative(this.#root, file ?? this.#root)
  }

  /** Keeps the names from the outermost suite down, so that a failure says where it lies. */
  #enter(file: string, data: { name: string; nesting: number }): void {
    const path = this.#open.get(file) ?? []
    path.length = Math.min(path.length, data.nesting)
    path.push(data.name)
    this.#open.set(file, path)
  }

  #fail(data: { file?: string; name: string; nesting: number; details: { error: Error } }): void {
    const error = data.details.error
    // A suite fails because of what is inside it, which has been told already.
    if ('failureType' in error && error.failureType === 'subtestsFailed') return
    const file = this.#name(data.file)
    const parents = (this.#open.get(file) ?? []).slice(0, data.nesting)
    this.#failures.push({
      file,
      path: [...parents, data.name].join(' > '),
      error: error.cause ?? error,
    })
  }

  #summary(data: {
    file: string | undefined
    success: boolean
    duration_ms: number
    counts: object
  }): void {
    const counts = data.counts as Counts
    if (data.file === undefined) {
      for (const key of Object.keys(this.#counts) as (keyof Counts)[])
        this.#counts[key] += counts[key]
      return
    }
    const file = this.#name(data.file)
    const seconds = (data.duration_ms / 1000).toFixed(1)
    const failed = counts.failed + counts.cancelled
    const told = failed > 0 ? `${failed} of ${counts.tests} failed` : `${counts.passed} passed`
    const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''
    this.#say(`${data.success ? '✔' : '✖'} ${file}: ${told}${skipped} (${seconds} s)`)
    const output = this.#output.get(file)
    if (!data.success && output !== undefined) this.#say(indent(output.trimEnd()))
    this.#output.delete(file)
  }

  /** Prints failures, what was skipped and why, and the closing counts. */
  close(absent: readonly string[]): boolean {
    // What is left here was said by files that ended before they had a test to report.
    for (const [file, output] of this.#output) this.#say(`\n✖ ${file}\n${indent(output.trimEnd())}`)
    for (const { file, path, error } of this.#failures) {
      this.#say(`\n✖ ${file}\n  ${path}`)
      this.#say(indent(inReadableForm(error)))
    }
    for (const line of [...absent, ...this.#skipped]) this.#say(`skipped: ${line}`)
    const { tests, suites, passed, failed, cancelled, skipped, todo } = this.#counts
    const durationMs = performance.now() - this.#startedMs
    const lines = {
      tests,
      suites,
      pass: passed,
      fail: failed,
      cancelled,
      skipped,
      todo,
      duration_ms: durationMs,
    }
    this.#say('')
    for (const [name, value] of Object.entries(lines)) this.#say(`ℹ ${name} ${value}`)
    return tests > 0 && failed === 0 && cancelled === 0
  }
}

/** Message and stack, without the runner's own frames; what is no error is inspected. */
function inReadableForm(error: unknown): string {
  if (!(error instanceof Error) || error.stack === undefined) return inspect(error, { depth: 5 })
  const stack = error.stack.replaceAll(/^ +at .*\(?node:.*\n?/gm, '').trimEnd()
  return error.cause === undefined ? stack : `${stack}\ncaused by ${inReadableForm(error.cause)}`
}

const indent = (text: string): string => text.replaceAll(/^/gm, '    ')
