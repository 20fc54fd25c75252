/** The real processes, alone or held until strace watches them. */
import assert from 'node:assert/strict'
import { execFile, fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { open, readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { program } from '../journeys/rig.ts'
import { ONE_POOL_THREAD } from './strace.ts'

const EXIT_TIMEOUT_MS = 60_000
export const KILLED_BY_TEST = 'killed by the test: it did not end'

export interface Child {
  readonly process: ChildProcess
  /** Resolves with false when it ended before it was ready. */
  readonly ready: Promise<boolean>
  readonly exited: Promise<{ readonly code: number | null; readonly stderr: string }>
  /** What it said on stderr so far. */
  readonly said: () => string
  /** Lets it read its configuration, if it was held. */
  go(): Promise<void>
  /** Asks it to end in order. */
  stop(): void
}

/** Runs `countersign <args>`. */
export function startCommand(args: readonly string[], env: NodeJS.ProcessEnv = {}): Child {
  const child = fork(program, [...args], {
    // Elsewhere, so that only what is done to its files names their folder.
    cwd: '/',
    execArgv: ['--disable-warning=ExperimentalWarning', '-C', '@countersign/source'],
    env: { ...process.env, ...ONE_POOL_THREAD, ...env },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let stderr = ''
  // A process that neither works nor ends has failed, and must not be waited for without end.
  const late = setTimeout(() => {
    stderr += KILLED_BY_TEST
    child.kill('SIGKILL')
  }, EXIT_TIMEOUT_MS)
  const exited = new Promise<{ code: number | null; stderr: string }>((resolve) => {
    child.once('close', (code) => {
      clearTimeout(late)
      resolve({ code, stderr })
    })
  })
  const ready = new Promise<boolean>((resolve) => {
    // Signer and ledger tell their parent, a witness whoever reads.
    child.once('message', () => resolve(true))
    child.stderr?.on('data', (piece: Buffer) => {
      stderr += piece.toString()
      if (stderr.includes(' is ready: ')) resolve(true)
    })
    void exited.then(() => resolve(false))
  })
  // The channel of a process that was killed breaks: its end is what counts.
  child.on('error', () => undefined)
  return {
    process: child,
    ready,
    exited,
    said: () => stderr,
    go: async () => undefined,
    stop: () => {
      if (child.connected) child.send({ kind: 'stop' }, () => undefined)
      child.kill('SIGTERM')
    },
  }
}

/** As `startCommand`, but one file that it reads early is a pipe until `go`: its program is loaded, and nothing else is open. */
export async function startHeld(args: readonly string[], file: string): Promise<Child> {
  const content = await readFile(file)
  const pipe = `${file}.pipe`
  await promisify(execFile)('mkfifo', [pipe])
  const child = startCommand(args.map((arg) => (arg === file ? pipe : arg)))
  // Opens once the process reads from it; should it end before, this end reads.
  const opening = open(pipe, 'w')
  void child.exited.then(async () => (await open(pipe, 'r+')).close()).catch(() => undefined)
  const writing = await opening
  return {
    ...child,
    go: async () => {
      await writing.writeFile(content)
      await writing.close()
    },
  }
}

/** A process that stopped by itself has said why: which file, and what to do. */
export function checkLastWords(
  { code, stderr }: { code: number | null; stderr: string },
  { dir, met }: { dir: string; met: string },
): void {
  const context = `it ended with ${code} and said: ${stderr}\nafter ${met}`
  assert.ok(code !== 0 && code !== null, context)
  assert.match(stderr, /^countersign: error: could not /m, context)
  assert.ok(stderr.includes(dir), `it names no file: ${context}`)
  assert.match(stderr, /^countersign: hint: /m, `it does not say what to do: ${context}`)
}
