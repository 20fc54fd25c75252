/**
 * `npm run test:faults`: one system call at a time fails, or is the last of its process; disks fill up and clocks step back;
 * bytes change. `--all` tries every point instead of a sample; a word runs only the files whose name holds it.
 */
import { glob } from 'node:fs/promises'
import { after } from 'node:test'
import { provide } from '../setup.ts'
import { tableOfOutcomes } from './outcomes.ts'

const say = (line: string): void => void process.stdout.write(`${line}\n`)

const words = process.argv.slice(2).filter((word) => !word.startsWith('--'))
for (const line of provide(
  [{ command: 'strace', debianPackage: 'strace', usedFor: 'faults from below' }],
  say,
))
  say(`faults: ${line}`)
for await (const file of glob('*.faults.ts', { cwd: import.meta.dirname })) {
  if (words.length === 0 || words.some((word) => file.includes(word))) await import(`./${file}`)
}
after(() => {
  for (const line of tableOfOutcomes()) say(line)
  say(process.getActiveResourcesInfo().join())
})
