/** `countersign up` as a real process, for tests: in a folder of its own, on free ports. */
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess, SpawnSyncReturns } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'

const root = resolve(import.meta.dirname, '../..')
const program = join(root, 'packages/gateway/bin/countersign.js')
const node = ['--conditions=@countersign/source', program]

/** What `up --json` says, a line at a time. */
export type Said = Readonly<Record<string, unknown>> & { readonly kind: string }

export interface RunningUp extends AsyncDisposable {
  readonly process: ChildProcess
  readonly listening: Readonly<Record<string, string>>
  readonly pids: Readonly<Record<string, number>>
  /** All of stderr so far. */
  readonly stderr: () => string
  /** The first line that fits, also one that was said already, and not given before. */
  when(fits: (said: Said) => boolean): Promise<Said>
  /** Resolves when stderr holds the text. */
  saysOnStderr(text: string): Promise<void>
  readonly exit: Promise<number | null>
}

export interface Setup extends AsyncDisposable {
  readonly folder: string
  readonly config: string
  countersign(...args: readonly string[]): SpawnSyncReturns<string>
  change(edit: (config: string) => string): Promise<void>
  up(): Promise<RunningUp>
}

/** A folder that `init` made, with every listener on a free port. */
export async function setUp(origin = 'audit.example.com/1'): Promise<Setup> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-up-'))
  const config = join(folder, 'countersign.yaml')
  const setup: Setup = {
    folder,
    config,
    countersign: (...args) =>
      spawnSync(process.execPath, [...node, ...args], {
        cwd: folder,
        encoding: 'utf8',
        timeout: 30_000,
      }),
    async change(edit) {
      await writeFile(config, edit(await readFile(config, 'utf8')))
    },
    up: () => startUp(folder),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
  setup.countersign('init', '.', '--origin', origin)
  await setup.change((text) => text.replaceAll(/127\.0\.0\.1:808\d/g, '127.0.0.1:0'))
  return setup
}

async function startUp(folder: string): Promise<RunningUp> {
  const child = spawn(process.execPath, [...node, 'up', '--json'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said: Said[] = []
  const waiting: (() => void)[] = []
  let stderr = ''
  const look = (): void => waiting.forEach((again) => again())
  createInterface(child.stdout).on('line', (line) => {
    const value = JSON.parse(line) as Said
    if ('kind' in value) said.push(value)
    look()
  })
  child.stderr.on('data', (piece: Buffer) => {
    stderr += piece.toString()
    look()
  })
  const exit = new Promise<number | null>((done) => child.on('close', done))
  /** Asks again each time something was said; gives up when there is nobody left to say it. */
  const until = async <T>(ask: () => T | undefined, what: string): Promise<T> => {
    const { promise, resolve: found, reject } = Promise.withResolvers<T>()
    const again = (): void => {
      const value = ask()
      if (value !== undefined) found(value)
    }
    waiting.push(again)
    again()
    void exit.then((code) => reject(new Error(`up ended with ${code} before ${what}:\n${stderr}`)))
    return await promise
  }
  const when: RunningUp['when'] = async (fits) => {
    return await until(() => {
      const at = said.findIndex(fits)
      return at < 0 ? undefined : said.splice(at, 1)[0]
    }, 'it said so')
  }
  const up = await when(({ kind }) => kind === 'up')
  return {
    process: child,
    listening: up['listening'] as Record<string, string>,
    pids: up['pids'] as Record<string, number>,
    stderr: () => stderr,
    when,
    saysOnStderr: async (text) => {
      await until(() => (stderr.includes(text) ? true : undefined), `'${text}'`)
    },
    exit,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await exit
    },
  }
}
