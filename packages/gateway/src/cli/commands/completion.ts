/** `countersign completion`: what a shell reads to complete our words, and what it asks us then. */
import { readArguments, usageError } from '../arguments.ts'
import { completionScripts } from '../completion-scripts.ts'
import { candidatesFor } from '../shell-completion.ts'
import { inBash, readLine } from '../shell-line.ts'
import { DONE, escapeText, isPlain, print } from '../terminal.ts'
import type { Command, Io } from '../terminal.ts'

/** `countersign completion bash|zsh|fish`. */
export const completion: Command = async (args, io) => {
  const [first, ...rest] = args
  if (first === 'words') return await words(rest, io)
  const { positionals } = readArguments(args, {
    command: 'completion',
    options: {},
    positionalsMin: 1,
    expects: 'the name of a shell: bash, zsh or fish',
  })
  io.stdout.write(scriptOf(positionals[0] ?? ''))
  return DONE
}

function scriptOf(shell: string): string {
  const script = Object.hasOwn(completionScripts, shell) ? completionScripts[shell] : undefined
  if (script !== undefined) return script
  throw usageError('completion', `could not run: '${shell}' is not bash, zsh or fish`)
}

/** One line for each way to go on; for fish, behind a tab what it is about. */
async function words([shell = '', line = '']: readonly string[], io: Io): Promise<number> {
  scriptOf(shell)
  const read = readLine(line)
  for (const { text, about } of await candidatesFor(read)) {
    // Other shells quote it themselves. Attacker-controlled: values are out of the log.
    const shown = shell === 'bash' ? inBash(read.last, text) : isPlain(text) ? text : undefined
    if (shown === undefined) continue
    print(io, shell === 'fish' && about !== undefined ? `${shown}\t${escapeText(about)}` : shown)
  }
  return DONE
}
