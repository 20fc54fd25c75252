/** One process of `countersign up`, run by hand, for tests that kill it. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { node } from './running-command.ts'

export interface RunningProcess extends AsyncDisposable {
  readonly child: ChildProcess
  /** What it said about where it listens: `inbound http://127.0.0.1:1234, ...`. */
  readonly ready: string
  readonly stderr: () => string
  /** Resolves with the exit code; null when it was killed. */
  readonly exit: Promise<number | null>
}

/** A process that may not be ready yet. */
export interface StartedProcess {
  readonly child: ChildProcess
  /** Rejects when it ends before it is ready. */
  readonly ready: Promise<string>
  readonly stderr: () => string
  readonly exit: Promise<number | null>
}

export function launchProcess(folder: string, name: string): StartedProcess {
  const child = spawn(process.execPath, [...node, name], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let stderr = ''
  const { promise: ready, resolve, reject } = Promise.withResolvers<string>()
  child.stderr.on('data', (piece: Buffer) => {
    stderr += piece.toString()
    const [, said] = new RegExp(`^countersign: ${name} is ready(.*)$`, 'm').exec(stderr) ?? []
    if (said !== undefined) resolve(said)
  })
  const exit = new Promise<number | null>((done) => child.on('close', done))
  void exit.then((code) => reject(new Error(`${name} ended with ${code}: ${stderr}`)))
  ready.catch(() => undefined)
  return { child, ready, stderr: () => stderr, exit }
}

/** Starts `countersign <name>` and waits until it is ready; ends it in order when it is disposed of. */
export async function startProcess(folder: string, name: string): Promise<RunningProcess> {
  const { child, ready, stderr, exit } = launchProcess(folder, name)
  return {
    child,
    ready: await ready,
    stderr,
    exit,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await exit
    },
  }
}

/** The URL of a listener out of what a process said. */
export function urlIn(ready: string, listener: string): string {
  const [, url] = new RegExp(`\\b${listener} (https?://[^,\\s]+)`).exec(ready) ?? []
  if (url === undefined) throw new Error(`no ${listener} in '${ready}'`)
  return url
}
