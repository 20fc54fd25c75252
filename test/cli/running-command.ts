/** A command that says on stdout when it is ready, as a real process, for tests that kill it. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'

const program = join(resolve(import.meta.dirname, '../..'), 'packages/gateway/bin/countersign.js')
/** The flags the launcher would add: this process is then the one that does the work, and the one that is killed. */
export const node: readonly string[] = [
  '--disable-warning=ExperimentalWarning',
  '-C',
  '@countersign/source',
  program,
]

/** What it says with `--json`, a line at a time. */
export type Said = Readonly<Record<string, unknown>> & { readonly kind: string }

export interface RunningCommand extends AsyncDisposable {
  readonly child: ChildProcess
  readonly url: string
  readonly said: readonly Said[]
  readonly stderr: () => string
  /** Resolves with the exit code; null when it was killed. */
  readonly exit: Promise<number | null>
}

/** Starts `countersign ...args --json` and waits until it is ready. */
export async function startCommand(
  folder: string,
  args: readonly string[],
): Promise<RunningCommand> {
  const child = spawn(process.execPath, [...node, ...args, '--json'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said: Said[] = []
  let stderr = ''
  const exit = new Promise<number | null>((done) => child.on('close', done))
  const { promise: ready, resolve: isReady, reject } = Promise.withResolvers<Said>()
  createInterface(child.stdout).on('line', (line) => {
    const value = JSON.parse(line) as Said
    said.push(value)
    if (value.kind === 'ready') isReady(value)
  })
  child.stderr.on('data', (piece: Buffer) => (stderr += piece.toString()))
  void exit.then((code) => reject(new Error(`${args[0]} ended with ${code}: ${stderr}`)))
  const { url } = (await ready) as Said & { url: string }
  return {
    child,
    url,
    said,
    stderr: () => stderr,
    exit,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exit
    },
  }
}
