/**
 * Whatever bytes arrive, a reader says no in its own words, or gives back what it read: never another error, and never a second
 * spelling of something that has one. `COUNTERSIGN_FUZZ_RUNS` sets how many inputs each reader gets; `npm run fuzz` looks deeper.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatTargets } from './formats.ts'
import { insideTargets } from './inside.ts'
import { KINDS_COUNT, mutate } from './mutations.ts'
import { tryInput } from './target.ts'
import type { Target } from './target.ts'

const numRuns = Number(process.env['COUNTERSIGN_FUZZ_RUNS'] ?? 150)
/** Inputs that were findings once, by target. */
const found = join(import.meta.dirname, 'found')

const change = fc.record({
  kind: fc.nat(KINDS_COUNT - 1),
  at: fc.nat(1 << 20),
  value: fc.nat(0xff_ff_ff_ff),
})
const mutation = fc.record({
  seed: fc.nat(1000),
  other: fc.nat(1000),
  changes: fc.array(change, { minLength: 1, maxLength: 5 }),
})

for (const target of [...formatTargets, ...insideTargets]) {
  test(`${target.name}: ${numRuns} mutations are refused in its own words, or read as they are spelled`, async () => {
    const seeds = target.seeds()
    for (const seed of [...seeds, ...findingsOf(target)]) await tryInput(target, Buffer.from(seed))
    await fc.assert(
      fc.asyncProperty(mutation, async ({ seed, other, changes }) => {
        const pick = (n: number): Uint8Array => seeds[n % seeds.length] ?? Buffer.alloc(0)
        await tryInput(target, mutate(pick(seed), changes, pick(other)))
      }),
      { numRuns },
    )
  })
}

function findingsOf({ name }: Target): Buffer[] {
  const folders = readdirSync(found, { withFileTypes: true })
  if (!folders.some((entry) => entry.isDirectory() && entry.name === name)) return []
  return readdirSync(join(found, name)).map((file) => readFileSync(join(found, name, file)))
}
