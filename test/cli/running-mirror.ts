/** `countersign mirror` as a real process over a log in a temporary folder, for tests that kill it and lie to it. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess, SpawnSyncReturns } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseVkey } from '@countersign/tlog/key'
import { directorySource, nodeCrypto } from '@countersign/verifier/node-io'
import { verifyLog } from '@countersign/verifier/verify'
import { logKey, SampleLog, toDirectory } from '../../packages/verifier/src/sample-log.testing.ts'
import { node } from './running-command.ts'
import type { Said } from './running-command.ts'

export interface Place extends AsyncDisposable {
  readonly folder: string
  /** A log that grows, in the folder `log` unless another is named. */
  log(name?: string): SampleLog
  countersign(...args: readonly string[]): SpawnSyncReturns<string>
}

export async function openPlace(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-mirror-'))
  await writeFile(join(folder, 'key'), `${logKey.vkey}\n`)
  return {
    folder,
    log: (name = 'log') => new SampleLog(toDirectory(join(folder, name))),
    countersign: (...args) =>
      spawnSync(process.execPath, [...node, ...args], { cwd: folder, encoding: 'utf8' }),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

export interface Running extends AsyncDisposable {
  readonly child: ChildProcess
  readonly exit: Promise<number | null>
  readonly stderr: () => string
  /** The next line that fits, also one that was said already. */
  when(fits: (said: Said) => boolean): Promise<Said>
}

export function startMirror(folder: string, ...args: readonly string[]): Running {
  const child = spawn(process.execPath, [...node, 'mirror', '--json', ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said: Said[] = []
  const waiting = new Set<() => void>()
  let stderr = ''
  createInterface(child.stdout).on('line', (line) => {
    said.push(JSON.parse(line) as Said)
    for (const again of waiting) again()
  })
  child.stderr.on('data', (piece: Buffer) => (stderr += piece.toString()))
  const exit = once(child, 'close').then(([code]) => code as number | null)
  return {
    child,
    exit,
    stderr: () => stderr,
    async when(fits) {
      const { promise, resolve, reject } = Promise.withResolvers<Said>()
      const again = (): void => {
        const found = said.find(fits)
        if (found !== undefined) resolve(found)
      }
      waiting.add(again)
      again()
      void exit.then((code) => reject(new Error(`the mirror ended with ${code}: ${stderr}`)))
      return await promise.finally(() => waiting.delete(again))
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exit
    },
  }
}

/** What an auditor's verifier says of a copy. */
export async function assertVerifies(copy: string, size: number): Promise<void> {
  const report = await verifyLog({
    source: directorySource(join(copy, 'log')),
    crypto: nodeCrypto,
    keys: [parseVkey(logKey.vkey, nodeCrypto.sha256)],
  })
  assert.deepEqual(report.findings, [])
  assert.equal(report.size, size)
}
