/**
 * A whole Countersign for tests: `countersign init`, then signer, ledger and gateway as the real processes, each of which can be
 * killed and started again. Ports are free ones, taken beforehand, so that they stay the same across restarts.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { decodeEntry } from '@countersign/record/decode'
import type { Leaf } from '@countersign/record/leaf'
import { checkLedger, connectLedger, layoutOf } from '../../packages/gateway/src/ledger.ts'
import { systemClock } from '../../packages/gateway/src/platform.ts'
import { freePorts } from '../ports.ts'

export { freePort } from '../ports.ts'

export const program = fileURLToPath(
  new URL('../../packages/gateway/bin/countersign.js', import.meta.url),
)
const run = promisify(execFile)

export type Part = 'signer' | 'ledger' | 'gateway'
const startOrder: readonly Part[] = ['signer', 'ledger', 'gateway']

export interface Ports {
  readonly inbound: number
  readonly egress: number
  readonly admin: number
  readonly log: number
}

/** What of `countersign.yaml` a test wants to say itself. */
export type Wanted = Readonly<Record<string, unknown>>

export interface Rig extends AsyncDisposable {
  readonly dir: string
  readonly dataDir: string
  readonly configFile: string
  readonly vkey: string
  readonly ports: Ports
  readonly origin: string
  /** stdout and stderr of the three so far. */
  readonly output: () => string
  /** Resolves when the gateway's output, from now on, holds a text. */
  said(text: string): Promise<void>
  start(part: Part): Promise<void>
  startAll(): Promise<void>
  /** SIGKILL, and waits until it is gone. */
  kill(part: Part): Promise<void>
  /** Ends in order, the way `up` does; resolves with the exit codes. */
  stopAll(): Promise<Record<Part, number | null>>
  signal(part: Part, signal: NodeJS.Signals): void
  write(wanted: Wanted): Promise<void>
  /** Runs the command line; never throws on a non-zero exit. */
  command(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }>
  /** All records so far, also those not yet published. The ledger must be running. */
  records(): Promise<Leaf[]>
  /** Re-hashes the whole tree. */
  check(): Promise<void>
}

export async function openRig(wanted: (ports: Ports) => Wanted): Promise<Rig> {
  const dir = await mkdtemp(join(tmpdir(), 'countersign-journey-'))
  const origin = 'audit.example.com/journey'
  const [inbound = 0, egress = 0, admin = 0, log = 0] = await freePorts(4)
  const ports: Ports = { inbound, egress, admin, log }
  const configFile = join(dir, 'countersign.yaml')
  const children = new Map<Part, ChildProcess>()
  const listeners = new Set<() => void>()
  let output = ''
  const said: Rig['said'] = (text) => {
    const from = output.length
    return new Promise((resolve) => {
      const listener = (): void => {
        if (!output.slice(from).includes(text)) return
        listeners.delete(listener)
        resolve()
      }
      listeners.add(listener)
    })
  }

  const command: Rig['command'] = async (...args) => {
    try {
      const { stdout, stderr } = await run(process.execPath, [program, ...args], { cwd: dir })
      return { code: 0, stdout, stderr }
    } catch (error) {
      const failed = error as { code: number; stdout: string; stderr: string }
      return { code: failed.code, stdout: failed.stdout, stderr: failed.stderr }
    }
  }
  const write = async (parts: Wanted): Promise<void> => {
    // JSON is YAML.
    await writeFile(configFile, JSON.stringify({ ...base(origin, ports), ...parts }, undefined, 2))
  }
  const start = async (part: Part): Promise<void> => {
    const child = fork(program, [part, '--config', configFile], {
      cwd: dir,
      // The flags the launcher would add: this process is then the one that does the work, and the one that is killed.
      execArgv: ['--disable-warning=ExperimentalWarning', '-C', '@countersign/source'],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    children.set(part, child)
    const collect = (data: Buffer): void => {
      output += data.toString()
      for (const listener of listeners) listener()
    }
    child.stdout?.on('data', collect)
    child.stderr?.on('data', collect)
    const ready = once(child, 'message')
    const died = once(child, 'exit').then(([code]) => {
      throw new Error(`the ${part} ended with ${code} before it was ready:\n${output.slice(-4000)}`)
    })
    await Promise.race([ready, died])
    died.catch(() => undefined)
  }
  const gone = async (part: Part, end: (child: ChildProcess) => void): Promise<number | null> => {
    const child = children.get(part)
    if (child === undefined) return null
    children.delete(part)
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
    const exited = once(child, 'exit')
    end(child)
    const [code] = (await exited) as [number | null]
    return code
  }
  const stopAll: Rig['stopAll'] = async () => {
    const codes = {} as Record<Part, number | null>
    for (const part of startOrder.toReversed()) {
      codes[part] = await gone(part, (child) => child.send({ kind: 'stop' }))
    }
    return codes
  }
  const init = await command('init', dir, '--origin', origin)
  assert.equal(init.code, 0, init.stderr)
  await write(wanted(ports))
  const dataDir = join(dir, 'countersign-data')
  const [vkey = ''] = (await readFile(join(dir, 'log.vkey'), 'utf8')).split('\n')
  return {
    dir,
    dataDir,
    configFile,
    vkey,
    ports,
    origin,
    output: () => output,
    said,
    start,
    async startAll() {
      for (const part of startOrder) await start(part)
    },
    kill: async (part) => void (await gone(part, (child) => child.kill('SIGKILL'))),
    stopAll,
    signal: (part, signal) => void children.get(part)?.kill(signal),
    write,
    command,
    records: () => records(dataDir),
    async check() {
      await checkLedger(dataDir, { vkey })
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(startOrder.map((part) => gone(part, (child) => child.kill('SIGKILL'))))
      await rm(dir, { recursive: true, force: true })
    },
  }
}

async function records(dataDir: string): Promise<Leaf[]> {
  const ledger = await connectLedger({ socketPath: layoutOf(dataDir).socket, clock: systemClock })
  const leaves: Leaf[] = []
  for (;;) {
    const page = await ledger.entries(leaves.length, 1024)
    if (page.length === 0) break
    for (const entry of page) leaves.push(decodeEntry(entry).leaf)
  }
  await ledger.close()
  return leaves
}

function base(origin: string, ports: Ports): Wanted {
  return {
    origin,
    data: './countersign-data',
    signer: { key: './secrets/log.skey', state: './signer-state' },
    sequencer: { key: './secrets/sequencer.skey' },
    fingerprintKey: './secrets/fingerprint.key',
    seal: { key: './secrets/tenant.key' },
    listen: {
      inbound: `127.0.0.1:${ports.inbound}`,
      egress: `127.0.0.1:${ports.egress}`,
      admin: `127.0.0.1:${ports.admin}`,
      log: `127.0.0.1:${ports.log}`,
    },
    identities: [{ keys: './secrets/api-keys.yaml' }],
  }
}
