/**
 * `npm run test:faults`: one system call at a time fails, or is the last of its process; disks fill up and clocks step back;
 * bytes change. `--all` tries every point instead of a sample; words choose among the suites.
 */
import { after } from 'node:test'
import { provide } from '../setup.ts'
import { tableOfOutcomes } from './outcomes.ts'

const say = (line: string): void => void process.stdout.write(`${line}\n`)

const suites: Readonly<Record<string, () => Promise<unknown>>> = {
  ledger: () => import('./ledger.faults.ts'),
  signer: () => import('./signer.faults.ts'),
  witness: () => import('./witness.faults.ts'),
  disk: () => import('./disk.faults.ts'),
  clock: () => import('./clock.faults.ts'),
  bytes: () => import('./bytes.faults.ts'),
}

const words = process.argv.slice(2).filter((word) => !word.startsWith('--'))
const tools = [
  { command: 'strace', debianPackage: 'strace', usedFor: 'faults from below' },
  { command: 'faketime', debianPackage: 'faketime', usedFor: 'a clock that steps back' },
]
for (const line of provide(tools, say)) say(`faults: skipped: ${line}`)
for (const [name, load] of Object.entries(suites)) {
  if (words.length === 0 || words.includes(name)) await load()
}
after(() => {
  for (const line of tableOfOutcomes()) say(line)
})
