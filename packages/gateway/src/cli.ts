/**
 * The command line. `main` finds the command and runs it; each command is loaded only when it is called, so that
 * `--help` answers at once.
 */
import { nearest } from './cli/arguments.ts'
import { CommandError } from './cli/errors.ts'
import { DONE, sayError } from './cli/terminal.ts'
import type { Command, Io } from './cli/terminal.ts'
import { commandUsage, usage } from './cli/usage.ts'

export { commandUsage, usage } from './cli/usage.ts'
export type { Command, Io, Output } from './cli/terminal.ts'

const commands: Readonly<Record<string, () => Promise<Command>>> = {
  init: async () => (await import('./cli/commands/init.ts')).init,
  up: async () => (await import('./cli/commands/up.ts')).up,
  signer: async () => (await import('./cli/commands/signer.ts')).signer,
  ledger: async () => (await import('./cli/commands/processes.ts')).ledger,
  gateway: async () => (await import('./cli/commands/processes.ts')).gateway,
  witness: async () => (await import('./cli/commands/witness.ts')).witness,
  reader: async () => (await import('./cli/commands/processes.ts')).reader,
  reindex: async () => (await import('./cli/commands/reindex.ts')).reindex,
  scrubber: async () => (await import('./cli/commands/processes.ts')).scrubber,
  config: async () => (await import('./cli/commands/config.ts')).configCommand,
  keys: async () => (await import('./cli/commands/keys.ts')).keys,
  policy: async () => (await import('./cli/commands/policy-explain.ts')).policy,
  tail: async () => (await import('./cli/commands/tail.ts')).tail,
  search: async () => (await import('./cli/commands/search.ts')).search,
  top: async () => (await import('./cli/commands/top.ts')).top,
  trace: async () => (await import('./cli/commands/trace.ts')).trace,
  'who-read': async () => (await import('./cli/commands/who-read.ts')).whoRead,
  questions: async () => (await import('./cli/commands/questions.ts')).questions,
  unmask: async () => (await import('./cli/commands/unmask.ts')).unmask,
  show: async () => (await import('./cli/commands/show.ts')).show,
  prove: async () => (await import('./cli/commands/prove.ts')).prove,
  verify: async () => (await import('./cli/commands/verify.ts')).verify,
  erase: async () => (await import('./cli/commands/erase.ts')).erase,
  hold: async () => (await import('./cli/commands/hold.ts')).hold,
  release: async () => (await import('./cli/commands/hold.ts')).release,
  retention: async () => (await import('./cli/commands/retention.ts')).retention,
  export: async () => (await import('./cli/commands/export.ts')).exportCommand,
  disclose: async () => (await import('./cli/commands/disclose.ts')).disclose,
  reconcile: async () => (await import('./cli/commands/reconcile.ts')).reconcile,
  mirror: async () => (await import('./cli/commands/mirror.ts')).mirror,
  demo: async () => (await import('./cli/commands/demo.ts')).demo,
  completion: async () => (await import('./cli/commands/completion.ts')).completion,
  version: async () => (await import('./cli/commands/version.ts')).version,
}

/**
 * Runs one command line.
 * @param args what follows `countersign`.
 * @returns the exit code: 0 done, 1 the answer is no, 2 wrong usage or could not run. Never rejects.
 */
export async function main(args: readonly string[], io: Io): Promise<number> {
  const [name, ...rest] = args
  try {
    if (name === undefined || name === '--help' || name === '-h' || name === 'help')
      return help(rest, io)
    if (name === '--version') return await (await load('version'))([], io)
    // Help may be asked for anywhere; past `--` everything is an argument.
    const options = rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest
    if (options.includes('--help') || options.includes('-h')) return help([name], io)
    return await (
      await load(name)
    )(rest, io)
  } catch (error) {
    return sayError(io, error)
  }
}

async function load(name: string): Promise<Command> {
  // `Object.hasOwn`: 'constructor' is not a command.
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) throw unknownCommand(name)
  return await command()
}

function help([name]: readonly string[], io: Io): number {
  const text =
    name === undefined ? usage : Object.hasOwn(commandUsage, name) ? commandUsage[name] : undefined
  if (text === undefined) throw unknownCommand(name ?? '')
  io.stdout.write(text)
  return DONE
}

function unknownCommand(name: string): CommandError {
  const near = nearest(name, Object.keys(commands))
  throw new CommandError('USAGE', `could not run: '${name}' is not a command`, {
    hint: near === undefined ? "see 'countersign --help'" : `did you mean '${near}'?`,
  })
}
