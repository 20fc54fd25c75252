/** What tests of witnesses need: keys, logs that grow and fork, and a witness on a free port. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatAddCheckpoint } from '@countersign/tlog/add-checkpoint'
import { formatCheckpoint } from '@countersign/tlog/checkpoint'
import { emptyRoot, hashLeaf, hashNode } from '@countersign/tlog/hash'
import { SignatureType } from '@countersign/tlog/key'
import { formatNote } from '@countersign/tlog/note'
import { consistencyProof } from '@countersign/tlog/proof'
import { sha256 } from '../../cryptography.ts'
import { systemClock } from '../../platform.ts'
import { evidenceFolder, readEvidence } from '../evidence.ts'
import type { Evidence } from '../evidence.ts'
import { makeKey, readSigners } from '../keys.ts'
import { runWitness } from '../witness.ts'
import type { RunningWitness, WitnessEvent, WitnessOptions } from '../witness.ts'

/** A log of which every tree is known: leaf n is `<branch> n`, and the main branch up to where another leaves it. */
export interface TestTree {
  root(size: number): Uint8Array
  /** None from size 0. */
  proof(oldSize: number, size: number): Uint8Array[]
}

/** The tree of a log; with `forkAt`, one that shares its first `forkAt` leaves and none after. */
export function makeTree(forkAt = Number.POSITIVE_INFINITY): TestTree {
  const nodes = new Map<string, Uint8Array>()
  const node = (level: number, index: number): Uint8Array => {
    const known = nodes.get(`${level} ${index}`)
    if (known !== undefined) return known
    const made =
      level === 0
        ? hashLeaf(sha256, Buffer.from(`${index < forkAt ? 'entry' : 'fork'} ${index}`))
        : hashNode(sha256, node(level - 1, 2 * index), node(level - 1, 2 * index + 1))
    nodes.set(`${level} ${index}`, made)
    return made
  }
  const root = (first: number, size: number): Uint8Array => {
    const level = Math.floor(Math.log2(size))
    const left = 2 ** level
    if (left === size) return node(level, first / left)
    return hashNode(sha256, node(level, first / left), root(first + left, size - left))
  }
  return {
    root: (size) => (size === 0 ? emptyRoot(sha256) : root(0, size)),
    proof: (oldSize, size) =>
      oldSize === 0 ? [] : consistencyProof(oldSize, size, { sha256, readNode: node }),
  }
}

/** The key of a log with both kinds of signature, and what it signs. */
export interface TestOrigin {
  readonly origin: string
  readonly skeys: string
  readonly vkeys: string
  /** A signed checkpoint: a line for each of its keys. */
  checkpoint(size: number, tree?: TestTree): Promise<string>
  /** A request to `add-checkpoint`. */
  request(oldSize: number, size: number, tree?: TestTree): Promise<string>
}

export function makeOrigin(origin: string, types: readonly number[] = [1]): TestOrigin {
  const pairs = types.map((type) => makeKey(origin, type))
  const skeys = pairs.map(({ skey }) => `${skey}\n`).join('')
  const signers = pairs.flatMap(({ skey }) => readSigners(skey, types).signers)
  const main = makeTree()
  const checkpoint: TestOrigin['checkpoint'] = async (size, tree = main) => {
    const text = formatCheckpoint({ origin, size: BigInt(size), root: tree.root(size) })
    return formatNote(text, await Promise.all(signers.map(async (sign) => sign(text, 1n))))
  }
  return {
    origin,
    skeys,
    vkeys: pairs.map(({ vkey }) => `${vkey}\n`).join(''),
    checkpoint,
    request: async (oldSize, size, tree = main) =>
      formatAddCheckpoint({
        oldSize: BigInt(oldSize),
        proof: oldSize > size ? [] : tree.proof(oldSize, size),
        checkpoint: await checkpoint(size, tree),
      }),
  }
}

/** A running witness in a folder of its own. */
export interface TestWitness extends AsyncDisposable {
  readonly folder: string
  readonly statePath: string
  readonly options: WitnessOptions
  /** Its public keys, one a line: Ed25519 first, then ML-DSA-44. */
  readonly vkeys: readonly string[]
  /** Submission and monitoring prefix. */
  readonly url: string
  readonly events: readonly WitnessEvent[]
  readonly running: RunningWitness
  /** Ends it and starts it again on its state, on another port. */
  restart(options?: Partial<WitnessOptions>): Promise<void>
  close(): Promise<void>
}

/** Starts a witness in this process, on a free port of the loopback. */
export async function startWitness({
  logs,
  name = 'witness.example/w1',
  types = [SignatureType.cosignatureV1, SignatureType.mlDsa44],
  ...others
}: {
  readonly logs: readonly string[]
  readonly name?: string
  readonly types?: readonly number[]
} & Partial<Pick<WitnessOptions, 'clock' | 'listening' | 'onFatal'>>): Promise<TestWitness> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-witness-'))
  const statePath = join(folder, 'w1.state')
  const keys = types.map((type) => `${makeKey(name, type).skey}\n`).join('')
  await writeFile(join(folder, 'w1.skey'), keys)
  const events: WitnessEvent[] = []
  const options: WitnessOptions = {
    keys,
    statePath,
    logs,
    listening: { address: '127.0.0.1:0' },
    clock: systemClock,
    onEvent: (event) => events.push(event),
    ...others,
  }
  let running = await runWitness({ ...options, create: true })
  const close = async (): Promise<void> => {
    await running.close()
    await rm(folder, { recursive: true, force: true })
  }
  return {
    folder,
    statePath,
    options,
    vkeys: running.vkeys,
    get url() {
      return running.url ?? ''
    },
    events,
    get running() {
      return running
    },
    async restart(changed = {}) {
      await running.close()
      running = await runWitness({ ...options, ...changed })
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** What a request was answered. */
export interface Said {
  readonly status: number
  readonly type: string | null
  readonly text: string
}

/** POST /add-checkpoint. */
export async function post(url: string, body: string | Uint8Array<ArrayBuffer>): Promise<Said> {
  return await said(await fetch(`${url}/add-checkpoint`, { method: 'POST', body }))
}

/** GET of a path. */
export async function get(url: string, path: string): Promise<Said> {
  return await said(await fetch(`${url}${path}`))
}

async function said(answer: Response): Promise<Said> {
  return {
    status: answer.status,
    type: answer.headers.get('content-type'),
    text: await answer.text(),
  }
}

/** All that a witness has kept, in the order seen. */
export async function keptBy({ statePath }: TestWitness): Promise<Evidence[]> {
  const pieces: Evidence[] = []
  for await (const piece of readEvidence(evidenceFolder(statePath))) pieces.push(piece)
  return pieces
}
