/** Runs torchwood's litewitness with a key of its own in an ssh-agent of its own. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { emptyRoot } from '@countersign/tlog/hash'
import { sha256 } from '../../packages/gateway/src/cryptography.ts'
import { freePort } from '../journeys/rig.ts'
import { findCommand } from '../setup.ts'
import { installTools, runProgram } from './tools.ts'

const START_TIMEOUT_MS = 10_000
const LOOK_INTERVAL_MS = 10

export interface Litewitness extends AsyncDisposable {
  readonly name: string
  readonly vkey: string
  /** Where a ledger of ours asks it. */
  readonly url: string
  /** Makes a log known: what `witnessctl add-log` and `add-key` do. */
  addLog(origin: string, vkey: string): void
  addCheckpoint(body: string): Promise<{ status: number; type: string | null; text: string }>
}

export async function startLitewitness(): Promise<Litewitness> {
  const folder = await mkdtemp(join(tmpdir(), 'litewitness-'))
  const children: ChildProcess[] = []
  const dispose = async (): Promise<void> => {
    for (const child of children.toReversed()) await end(child)
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const agent = join(folder, 'agent.sock')
    const fingerprint = await holdKey(folder, agent, children)
    const name = 'witness.example.com/litewitness'
    const address = `127.0.0.1:${await freePort()}`
    const database = join(folder, 'litewitness.db')
    const { litewitness } = await installTools()
    const flags = { name, key: fingerprint, 'ssh-agent': agent, db: database, listen: address }
    const words = Object.entries(flags).map(([flag, value]) => `-${flag}=${value}`)
    const child = spawn(litewitness, words, { stdio: ['ignore', 'ignore', 'pipe'] })
    children.push(child)
    const vkey = await saidVkey(child)
    const url = `http://${address}`
    await until(async () => (await fetch(`${url}/`)).ok, 'litewitness listens')
    return {
      name,
      vkey,
      url,
      addLog: (origin, logVkey) => addLog(database, origin, logVkey),
      addCheckpoint: async (body) => {
        const answer = await fetch(`${url}/add-checkpoint`, { method: 'POST', body })
        const type = answer.headers.get('content-type')
        return { status: answer.status, type, text: await answer.text() }
      },
      [Symbol.asyncDispose]: dispose,
    }
  } catch (error) {
    await dispose()
    throw error
  }
}

/** @returns the fingerprint of a new key that the agent at the socket now holds. */
async function holdKey(folder: string, socket: string, children: ChildProcess[]): Promise<string> {
  const key = join(folder, 'key')
  const must = async (program: string, ...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runProgram(program, ...args)
    assert.equal(code, 0, `${program} ended with ${code}: ${stderr}`)
    return stdout
  }
  await must('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', key)
  const agent = findCommand('ssh-agent')
  assert.ok(agent !== undefined, 'litewitness needs an ssh-agent for its key')
  children.push(spawn(agent, ['-D', '-a', socket], { stdio: 'ignore' }))
  const add = async (): Promise<boolean> =>
    (await runProgram('env', `SSH_AUTH_SOCK=${socket}`, 'ssh-add', '-q', key)).code === 0
  await until(add, 'ssh-agent takes a key')
  const [, fingerprint = ''] = (await must('ssh-keygen', '-l', '-f', key)).split(' ')
  return fingerprint
}

/** It prints its public key once its database is there. */
async function saidVkey(child: ChildProcess): Promise<string> {
  let said = ''
  return await new Promise((found, failed) => {
    child.stderr?.on('data', (data: Buffer) => {
      said += data.toString()
      const [, vkey] = /msg="verifier key" vkey=(\S+)\n/.exec(said) ?? []
      if (vkey !== undefined) found(JSON.parse(vkey.startsWith('"') ? vkey : `"${vkey}"`) as string)
    })
    child.once('error', failed)
    child.once('exit', (code) => failed(new Error(`litewitness ended with ${code}:\n${said}`)))
  })
}

/** `witnessctl` does the same two statements; it is not used because it needs a module more. */
function addLog(database: string, origin: string, vkey: string): void {
  const db = new DatabaseSync(database)
  const root = Buffer.from(emptyRoot(sha256)).toString('base64')
  db.prepare('INSERT INTO log (origin, tree_size, tree_hash) VALUES (?, 0, ?)').run(origin, root)
  db.prepare('INSERT INTO key (origin, key) VALUES (?, ?)').run(origin, vkey)
  db.close()
}

/** Neither of them says when it listens, so it is asked until it answers. */
async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  const deadlineMs = performance.now() + START_TIMEOUT_MS
  while (!(await holds().catch(() => false))) {
    assert.ok(performance.now() < deadlineMs, `could not wait any longer until ${what}`)
    await pause(LOOK_INTERVAL_MS)
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill()
  await exited
}
