/**
 * What a client holds of a log, and what must be true of it whatever happened since: each acknowledged record is where it was
 * said to be, each checkpoint ever seen is that of the records there are, and no draft is on record twice.
 */
import assert from 'node:assert/strict'
import { decodeEntry } from '@countersign/record/decode'
import type { Draft } from '@countersign/record/leaf'
import { CompactRange } from '@countersign/tlog/compact-range'
import { hashLeaf } from '@countersign/tlog/hash'
import { parseVkey } from '@countersign/tlog/key'
import { parseCheckpoint } from '@countersign/tlog/checkpoint'
import { openNote } from '@countersign/tlog/note'
import { parseReceipt, verifyReceipt } from '@countersign/tlog/receipt'
import { leafIndex } from '@countersign/tlog/size'
import {
  LedgerError,
  checkLedger,
  connectLedger,
  layoutOf,
  runLedger,
} from '../../packages/gateway/src/ledger.ts'
import type { Ledger } from '../../packages/gateway/src/ledger.ts'
import { ed25519Verify, sha256 } from '../../packages/gateway/src/cryptography.ts'
import { systemClock } from '../../packages/gateway/src/platform.ts'
import { runSigner } from '../../packages/gateway/src/witness.ts'
import type { Scene } from './scene.ts'

const ANSWER_TIMEOUT_MS = 60_000

export class Evidence {
  readonly #scene: Scene
  #client: Ledger | undefined
  /** Drafts that were taken over by the client: each must end up on record, once. */
  #accepted = 0
  readonly #acknowledged = new Map<number, string>()
  /** Signed notes, as they were handed out. */
  readonly #checkpoints = new Set<string>()
  readonly #receipts = new Map<number, string>()
  #down: (() => void) | undefined

  constructor(scene: Scene) {
    this.#scene = scene
  }

  async connect(): Promise<Ledger> {
    if (this.#client !== undefined) return this.#client
    const client = await connectLedger({
      socketPath: layoutOf(this.#scene.dataDir).socket,
      clock: systemClock,
      reconnectMsMax: 20,
      appendTimeoutMs: ANSWER_TIMEOUT_MS,
      onDown: () => this.#down?.(),
    })
    this.#client = this.#scene.own(client)
    return client
  }

  /** Appends, and notes what was promised. False when the ledger is away; a draft that the client took is kept for its return. */
  async append(draft: Draft, level: 'D0' | 'D1' = 'D0'): Promise<boolean> {
    const client = await this.#connected()
    if (client === undefined) return false
    this.#accepted += 1
    try {
      await client.append(draft, {
        level,
        onLevel: ({ leafIndex: index }) => this.#acknowledged.set(index, draft.leaf.id),
      })
      return true
    } catch (error) {
      assert.ok(error instanceof LedgerError, String(error))
      assert.ok(error.code !== 'LEDGER_UNAVAILABLE' || error.kept, String(error))
      return false
    }
  }

  /** Asks for the receipt of the last acknowledged record, and keeps it. */
  async prove(): Promise<boolean> {
    const last = Math.max(-1, ...this.#acknowledged.keys())
    const text = last < 0 ? undefined : await this.#ask((client) => client.prove(leafIndex(last)))
    if (text === undefined) return false
    this.#receipts.set(last, text)
    this.keep(parseReceipt(text).checkpoint)
    return true
  }

  async publish(): Promise<boolean> {
    return (await this.#ask(async (client) => (await client.publish(), true))) ?? false
  }

  /** Nothing when the ledger went before the first connection. */
  async #connected(): Promise<Ledger | undefined> {
    return await this.connect().catch((error: unknown) => {
      assert.ok(error instanceof LedgerError && error.code === 'LEDGER_UNAVAILABLE', String(error))
      return undefined
    })
  }

  /** A checkpoint that somebody saw. */
  keep(note: string): void {
    this.#checkpoints.add(note)
  }

  /** What was asked, or nothing when the ledger cannot answer now. */
  async #ask<T>(question: (client: Ledger) => Promise<T>): Promise<T | undefined> {
    const client = await this.#connected()
    if (client === undefined) return undefined
    const away = new Promise<undefined>((resolve) => {
      this.#down = () => resolve(undefined)
    })
    const answer = question(client).catch((error: unknown) => {
      assert.ok(error instanceof LedgerError, String(error))
      return undefined
    })
    return await Promise.race([answer, away])
  }

  /** Starts signer and ledger cleanly on what is there, and holds everything against what they say then. */
  async hold(): Promise<void> {
    const scene = this.#scene
    const signer = scene.own(await runSigner(scene.signer))
    const ledger = scene.own(
      await runLedger({ ...scene.ledger, onFatal: (error) => assert.fail(error) }),
    )
    const client = await this.connect()
    const keys = [parseVkey(scene.vkey, sha256)]
    const proofs = new Map<number, string>()
    await client.close()
    const asking = await connectLedger({ socketPath: ledger.socketPath, clock: systemClock })
    await asking.publish()
    for (const index of this.#acknowledged.keys())
      proofs.set(index, await asking.prove(leafIndex(index)))
    await asking.close()
    await ledger.close()
    await signer.close()
    const { entries, sessions } = await checkLedger(scene.dataDir, { vkey: scene.vkey })
    assert.equal(sessions.get(client.session) ?? 0, this.#accepted, 'each draft is on record once')
    for (const [index, id] of this.#acknowledged)
      assert.equal(decodeEntry(entryAt(entries, index)).leaf.id, id, `record ${index}`)
    for (const [index, receipt] of [...this.#receipts, ...proofs]) {
      const entry = entryAt(entries, index)
      await verifyReceipt({ receipt, entry, keys, sha256, verify: ed25519Verify })
    }
    await this.#checkHistory(entries)
  }

  /** No two roots for one size: each checkpoint that was ever seen is of the records that there are. */
  async #checkHistory(entries: readonly Uint8Array[]): Promise<void> {
    const roots = rootsOf(entries)
    const keys = [parseVkey(this.#scene.vkey, sha256)]
    for (const text of this.#checkpoints) {
      const { note } = await openNote(text, { keys, sha256, verify: ed25519Verify })
      const { size, root } = parseCheckpoint(note.text)
      assert.deepEqual(Buffer.from(root), roots[Number(size)], `the root of size ${size}`)
    }
  }
}

function entryAt(entries: readonly Uint8Array[], index: number): Uint8Array {
  const entry = entries[index]
  assert.ok(
    entry !== undefined,
    `record ${index} was acknowledged, and there are ${entries.length}`,
  )
  return entry
}

/** The root of each size. */
function rootsOf(entries: readonly Uint8Array[]): Buffer[] {
  const range = new CompactRange(sha256)
  const roots = [Buffer.from(range.root())]
  for (const entry of entries) {
    range.append(hashLeaf(sha256, entry))
    roots.push(Buffer.from(range.root()))
  }
  return roots
}
