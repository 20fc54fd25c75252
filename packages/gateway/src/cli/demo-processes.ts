/** The processes that the demo starts: `countersign up`, and the verifier. Both are what a user would run. */
import { execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { CommandError } from './errors.ts'

export interface RunningUp {
  /** Where the gateway listens, by name, as URLs. */
  readonly listening: Readonly<Record<string, string>>
  /** Resolves when it ends, however that comes. */
  readonly ended: Promise<void>
  close(): Promise<void>
}

/** Runs `countersign up` and waits until it serves. Its log lines go to a file. */
export async function runUp(config: string, logFile: string): Promise<RunningUp> {
  const program = fileURLToPath(new URL('../../bin/countersign.js', import.meta.url))
  const child = fork(program, ['up', '--config', config, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  const ended = once(child, 'exit').then(() => undefined)
  const { promise: up, resolve } = Promise.withResolvers<Record<string, string>>()
  const file = createWriteStream(logFile, { flags: 'a' })
  if (child.stdout === null)
    throw new Error('could not read what the gateway says: it has no stdout')
  createInterface(child.stdout).on('line', (line) => {
    file.write(`${line}\n`)
    const listening = listeningIn(line)
    if (listening !== undefined) resolve(listening)
  })
  const listening = await Promise.race([up, ended.then(notUp)])
  return {
    listening,
    ended,
    async close() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
      await ended
      file.end()
    },
  }
}

/** Runs the standalone verifier over a log. */
export async function runVerifier(
  log: string,
  vkeyFile: string,
): Promise<{ code: number; output: string }> {
  const program = fileURLToPath(
    new URL('../bin/countersign-verify.js', import.meta.resolve('@countersign/verifier/command')),
  )
  return await new Promise((resolve) => {
    execFile(process.execPath, [program, log, '--vkey', vkeyFile], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : 1, output: stdout + stderr })
    })
  })
}

function notUp(): never {
  throw new CommandError('CANNOT_RUN', 'could not start the demo: the gateway did not come up')
}

function listeningIn(line: string): Record<string, string> | undefined {
  if (!line.startsWith('{"kind":"up"')) return undefined
  const said: unknown = JSON.parse(line)
  if (typeof said !== 'object' || said === null || !('listening' in said)) return undefined
  const urls = Object.entries(said.listening ?? {}).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  )
  return Object.fromEntries(urls)
}
