/**
 * `npm run fuzz -- <target>|all [--minutes N] [--seed N]`: mutates inputs that reached something new, as node's own coverage sees
 * it, and keeps those that reach more. The corpus grows below `node_modules/.cache/fuzz`; a finding is made as small as it goes,
 * and saved in `test/fuzz/found`, where `npm test` reads it again.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { Coverage } from './coverage.ts'
import { formatTargets } from './formats.ts'
import { insideTargets } from './inside.ts'
import { KINDS_COUNT, mutate } from './mutations.ts'
import type { Change } from './mutations.ts'
import { tryInput } from './target.ts'
import type { Target } from './target.ts'

const root = resolve(import.meta.dirname, '../..')
const targets = [...formatTargets, ...insideTargets]
/** Inputs between two looks at the coverage: looking costs more than reading. */
const BATCH = 128
/** One input may take so long; more is a finding. */
const SLOW_MS = 2_000
const CORPUS_MAX = 2_000

const say = (line: string): void => void process.stdout.write(`${line}\n`)
const nameOf = (input: Uint8Array): string =>
  createHash('sha256').update(input).digest('hex').slice(0, 16)

/** Numbers from a seed (xorshift): the same seed, corpus and time for each input give the same run. */
function numbersFrom(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state % below
  }
}

interface Told {
  executions: number
  findings: number
}

class Fuzzer {
  readonly #target: Target
  readonly #corpus: Buffer[]
  readonly #folder: string
  readonly #coverage = new Coverage()
  readonly #next: (below: number) => number
  readonly #told: Told = { executions: 0, findings: 0 }

  constructor(target: Target, seed: number) {
    this.#target = target
    this.#next = numbersFrom(seed)
    this.#folder = join(root, 'node_modules/.cache/fuzz', target.name)
    mkdirSync(this.#folder, { recursive: true })
    const kept = readdirSync(this.#folder).map((name) => readFileSync(join(this.#folder, name)))
    this.#corpus = [...target.seeds().map((one) => Buffer.from(one)), ...kept]
  }

  async run(untilMs: number): Promise<Told> {
    await this.#coverage.start()
    for (const input of this.#corpus) await this.#execute(input)
    await this.#coverage.takeNew()
    const [before, corpus] = [this.#coverage.characters, this.#corpus.length]
    while (performance.now() < untilMs) await this.#batch()
    this.#coverage.stop()
    const { executions, findings } = this.#told
    const grown = this.#coverage.characters - before
    say(
      `${this.#target.name.padEnd(20)} ${String(executions).padStart(9)} inputs, ${String(before).padStart(6)} characters of source reached by the corpus, +${grown} by new inputs, corpus ${corpus} -> ${this.#corpus.length}, findings ${findings}`,
    )
    return this.#told
  }

  async #batch(): Promise<void> {
    const inputs = Array.from({ length: BATCH }, () => this.#mutated())
    for (const input of inputs) await this.#execute(input)
    const news = await this.#coverage.takeNew()
    // Somebody in this batch went where nobody was: each is read again alone, to see who.
    for (const input of inputs) {
      if (news.size === 0 || this.#corpus.length >= CORPUS_MAX) return
      await this.#execute(input)
      if (await this.#coverage.takeFrom(news)) this.#keep(input)
    }
  }

  #keep(input: Buffer): void {
    this.#corpus.push(input)
    writeFileSync(join(this.#folder, nameOf(input)), input)
  }

  #mutated(): Buffer {
    const pick = (): Buffer => this.#corpus[this.#next(this.#corpus.length)] ?? Buffer.alloc(0)
    const changes: Change[] = Array.from({ length: 1 + this.#next(5) }, () => ({
      kind: this.#next(KINDS_COUNT),
      at: this.#next(1 << 20),
      value: this.#next(2 ** 32),
    }))
    return mutate(pick(), changes, pick())
  }

  async #execute(input: Buffer): Promise<void> {
    this.#told.executions += 1
    const why = await this.#faultOf(input)
    if (why === undefined) return
    this.#told.findings += 1
    const small = await this.#shrink(input)
    const folder = join(root, 'test/fuzz/found', this.#target.name)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, nameOf(small)), small)
    say(`${this.#target.name}: FOUND ${join(folder, nameOf(small))}: ${why}`)
  }

  async #faultOf(input: Buffer): Promise<string | undefined> {
    const startMs = performance.now()
    try {
      await tryInput(this.#target, input)
    } catch (error) {
      return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    }
    const tookMs = performance.now() - startMs
    return tookMs > SLOW_MS ? `it took ${Math.round(tookMs)} ms` : undefined
  }

  /** Leaves pieces away as long as something is still wrong. */
  async #shrink(input: Buffer): Promise<Buffer> {
    let small = input
    for (let piece = input.length >>> 1; piece > 0; piece >>>= 1) {
      for (let at = 0; at < small.length;) {
        const without = Buffer.concat([small.subarray(0, at), small.subarray(at + piece)])
        if ((await this.#faultOf(without)) === undefined) at += piece
        else small = without
      }
    }
    return small
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { minutes: { type: 'string', default: '1' }, seed: { type: 'string', default: '1' } },
})
const wanted = targets.filter(
  ({ name }) => positionals.includes(name) || positionals.includes('all'),
)
if (wanted.length === 0) {
  say(`fuzz: name a target, or all: ${targets.map(({ name }) => name).join(' ')}`)
  process.exitCode = 2
}
for (const target of wanted) {
  const untilMs = performance.now() + Number(values.minutes) * 60_000
  const { findings } = await new Fuzzer(target, Number(values.seed)).run(untilMs)
  if (findings > 0) process.exitCode = 1
}
