/** The ledger process: takes the lock, recovers, listens, and keeps signing and publishing until it is closed. */
import assert from 'node:assert/strict'
import { unlink } from 'node:fs/promises'
import { decodeEntry } from '@countersign/record/decode'
import { encodeDraft } from '@countersign/record/encode'
import { openIds } from '@countersign/record/id'
import type { Lifecycle } from '@countersign/record/leaf'
import { parseSkey } from '@countersign/tlog/key'
import { ed25519PublicKey, sha256 } from '../cryptography.ts'
import type { Clock } from '../platform.ts'
import { checkIdentity } from './create.ts'
import { entriesOf, putEntry, sectionBytes } from './entries.ts'
import { LedgerError, messageOf } from './errors.ts'
import { lockFolder } from './folder-lock.ts'
import { layoutOf } from './layout.ts'
import {
  BATCH_BYTES_MAX,
  CHECKPOINT_INTERVAL_MS,
  DRAFT_BYTES_MAX,
  FRAME_OVERHEAD_BYTES,
  SEGMENT_BYTES,
} from './limits.ts'
import { parseLogKeys } from './log-keys.ts'
import { SEGMENT_HEADER_BYTES } from './frame.ts'
import { ledgerDraft } from './lifecycle-draft.ts'
import { eraseByRecord } from './pack-eraser.ts'
import { Publisher } from './publisher.ts'
import type { Alarm } from './quorum-alarm.ts'
import { readEntries } from './records.ts'
import { recover } from './recovery.ts'
import type { Head } from './recovery.ts'
import { Sequencer } from './sequencer.ts'
import type { Group } from './sequencer.ts'
import type { LedgerStatus } from './protocol.ts'
import { LedgerSocket } from './server.ts'
import type { Backend } from './server.ts'
import { serveLog } from './serve-log.ts'
import { SignerClient } from './signer-client.ts'
import type { SignerPlace } from './signer-client.ts'
import { Signing } from './signing.ts'
import { Witnessing } from './witnessing.ts'
import type { WitnessesOptions } from './witnessing.ts'

export interface LedgerOptions {
  /** Made by `createLog`. */
  readonly dataDir: string
  readonly origin: string
  /** The private key (skey text) by which the ledger proves itself to the signer. */
  readonly sequencerKey: string
  /**
   * The vkeys of the log, one a line. When given, the checkpoint on disk must verify under one of them, and every new one must
   * be signed by all.
   */
  readonly logVkey?: string | undefined
  /** The unix socket of the signer, or where it answers on another host. */
  readonly signerSocket?: string | undefined
  readonly signerUrl?: { readonly url: string; readonly ca?: string | undefined } | undefined
  readonly clock: Clock
  /** Recorded at each boot: version, and SHA-256 (hex) of the program. */
  readonly program: { readonly version: string; readonly binary: string }
  /** `address:port` on which to serve the log read-only; not served when absent. */
  readonly logAddress?: string | undefined
  readonly segmentBytes?: number
  readonly batchBytesMax?: number
  readonly draftBytesMax?: number
  readonly checkpointIntervalMs?: number
  readonly unpublishedMax?: number
  readonly unpublishedBytesMax?: number
  /** Whom to ask to cosign; nobody when absent. */
  readonly witnesses?: WitnessesOptions | undefined
  /** Called once with an error after which the process must end. By default it is printed and the process exits with 2. */
  readonly onFatal?: (error: LedgerError) => void
  /** Told when signing or publishing fails, and will be tried again. */
  readonly onError?: (error: unknown) => void
  /** Told of each alarm that is put on record. */
  readonly onAlarm?: (alarm: Alarm) => void
}

export interface RunningLedger {
  /** The unix socket for `connectLedger`. */
  readonly socketPath: string
  /** Where the log is served, when it is. */
  readonly logAddress: { readonly address: string; readonly port: number } | undefined
  readonly recovered: { readonly size: number; readonly tornBytes: number }
  /** Commits what has arrived, records the shutdown, publishes if the signer answers, and lets go of the folder. */
  close(): Promise<void>
}

/**
 * Runs the ledger of one data folder in this process.
 * @throws {LedgerError} `LEDGER_MISSING`, `LEDGER_IN_USE`, `LEDGER_LIMIT`, `WITNESS_POLICY`; `LEDGER_CORRUPT` and `LEDGER_SPLIT` name file and byte.
 * @see docs/spec/wal.md
 */
export async function runLedger(options: LedgerOptions): Promise<RunningLedger> {
  const layout = layoutOf(options.dataDir)
  const limits = checkLimits(options)
  await checkIdentity(layout, options.origin)
  const lock = lockFolder(layout)
  try {
    const recovered = await recover(layout, {
      origin: options.origin,
      logKeys: parseLogKeys(options.logVkey),
      segmentBytes: limits.segmentBytes,
    })
    const core = new Core(options, limits, recovered)
    // We hold the lock, so a socket that is there is what a killed process left.
    await unlink(layout.socket).catch(() => undefined)
    const socket = new LedgerSocket(core, limits)
    const found = { size: recovered.tree.size, tornBytes: recovered.tornBytes }
    core.record({
      kind: 'boot',
      component: 'ledger',
      ...options.program,
      clock: { source: 'system', offset_ns: 0 },
      recovered: { size: found.size, torn_bytes: found.tornBytes },
    })
    await socket.listen(layout.socket)
    const { logAddress: address } = options
    const web =
      address === undefined ? undefined : await serveLog({ dataDir: options.dataDir, address })
    core.start()
    let closing: Promise<void> | undefined
    const close = async (): Promise<void> => {
      await web?.close()
      await socket.close()
      await core.close()
      lock.release()
    }
    return {
      socketPath: layout.socket,
      logAddress: web?.listening,
      recovered: found,
      close: async () => (closing ??= close()),
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

interface Limits {
  readonly segmentBytes: number
  readonly batchBytesMax: number
  readonly draftBytesMax: number
}

/** Sequencer, signing and publisher behind the socket. */
class Core implements Backend {
  readonly #options: LedgerOptions
  readonly #limits: Limits
  readonly #sequencer: Sequencer
  readonly #signer: SignerClient
  readonly #signing: Signing
  readonly #witnessing: Witnessing | undefined
  readonly #publisher: Publisher
  readonly #recovered: Awaited<ReturnType<typeof recover>>
  readonly #nextId: () => string
  readonly #stamp: { session: string; seq: number; prev?: string }
  #timer: NodeJS.Timeout | undefined
  #lastError: string | null = null
  #failed = false
  #closing = false

  constructor(
    options: LedgerOptions,
    limits: Limits,
    recovered: Awaited<ReturnType<typeof recover>>,
  ) {
    const { origin, dataDir } = options
    const { published, tiles } = recovered
    this.#options = options
    this.#limits = limits
    this.#recovered = recovered
    this.#sequencer = new Sequencer(recovered, {
      ...limits,
      unpublishedMax: options.unpublishedMax,
      unpublishedBytesMax: options.unpublishedBytesMax,
    })
    this.#signer = new SignerClient(signerOf(options))
    const sequencerKey = parseSkey(options.sequencerKey, sha256, ed25519PublicKey)
    this.#signing = new Signing(this.#sequencer, tiles, {
      origin,
      sequencerKey,
      logKeys: parseLogKeys(options.logVkey),
      signer: this.#signer,
      published,
    })
    this.#witnessing =
      options.witnesses === undefined ? undefined : this.#openWitnessing(options.witnesses)
    const { publishable } = this.#heads()
    const rooms = { sequencer: this.#sequencer, tiles, headFor: publishable }
    this.#publisher = new Publisher(rooms, { dataDir, published })
    this.#nextId = openIds({ nowMs: () => Number(options.clock.nowNs() / 1_000_000n) })
    this.#stamp = { session: this.#nextId(), seq: 0 }
  }

  /** Signs and publishes at intervals, each one after the other has ended. */
  start(): void {
    const round = (): void => {
      const ended = (): void => {
        this.#witnessing?.again()
        this.#schedule(round)
      }
      this.publish().then(ended, ended)
    }
    round()
  }

  commit(groups: readonly Group[]): void {
    if (this.#failed) return
    try {
      this.#sequencer.commit(groups)
    } catch (error) {
      this.#noteError(error)
      if (!this.#failed) throw error
    }
  }

  fullness(): string | undefined {
    return this.#sequencer.fullness(this.#publisher.published?.size ?? 0)
  }

  async upToSigned(size: number): Promise<number> {
    return this.#watched(async () => (await this.#signing.upTo(size)).size)
  }

  async upToWitnessed(size: number): Promise<number> {
    return this.#watched(async () => (await this.#heads().witnessed(size)).size)
  }

  async prove(index: number, level: 1 | 2): Promise<string> {
    this.#checkIndex(index)
    const { witnessed, best } = this.#heads()
    return this.#watched(async () => {
      const head = await (level === 2 ? witnessed : best)(index + 1)
      return this.#signing.receipt(index, head)
    })
  }

  async entries(from: number, count: number): Promise<Buffer> {
    if (from > this.#sequencer.durable.size) this.#checkIndex(from)
    const { tiles, wal } = this.#recovered
    const sizes = () => ({
      published: this.#publisher.published?.size ?? 0,
      durable: this.#sequencer.durable.size,
    })
    return this.#watched(async () => readEntries({ tiles, wal, sizes }, from, count))
  }

  status(pending: number): LedgerStatus {
    const signed = this.#signing.signed
    return {
      origin: this.#options.origin,
      durable: this.#sequencer.durable.size,
      signed: signed?.size ?? 0,
      published: this.#publisher.published?.size ?? 0,
      pending,
      checkpoint: signed?.note ?? null,
      lastError: this.#lastError,
      draftBytesMax: this.#limits.draftBytesMax,
      batchBytesMax: this.#limits.batchBytesMax,
      witnesses: this.#witnessing?.status ?? null,
    }
  }

  async publish(): Promise<void> {
    await this.#watched(async () => this.#publisher.upTo(this.#sequencer.durable.size))
    this.#lastError = null
  }

  async erase(record: number): Promise<number> {
    this.#checkIndex(record)
    const [entry] = entriesOf(await this.entries(record, 1))
    if (entry === undefined)
      throw new LedgerError('LEDGER_RANGE', `could not find record ${record}`)
    // What it names must be in the packs: a publication after this would put it there again.
    await this.#watched(async () => this.#publisher.upTo(record + 1))
    // An error here is no reason to stop: packs are rewritten whole, and nobody's record depends on them.
    return eraseByRecord({
      dataDir: this.#options.dataDir,
      record,
      leaf: decodeEntry(entry).leaf,
      alone: (work) => this.#publisher.alone(work),
    })
  }

  /** Appends a record of the ledger about itself. */
  record(lifecycle: Lifecycle): void {
    const id = this.#nextId()
    const draft = ledgerDraft(id, this.#options.clock.nowNs(), lifecycle)
    const { entry } = encodeDraft(draft, this.#stamp, sha256)
    const entries = Buffer.alloc(sectionBytes(entry, []))
    putEntry(entries, 0, entry)
    this.commit([{ count: 1, entries, addenda: Buffer.alloc(0), committed: () => undefined }])
    this.#stamp.seq += 1
    this.#stamp.prev = id
  }

  async close(): Promise<void> {
    this.#closing = true
    clearTimeout(this.#timer)
    if (!this.#failed) {
      this.record({ kind: 'shutdown', component: 'ledger' })
      // Without a signer the records stay durable in the write-ahead log; the next start publishes them.
      await this.publish().catch(() => undefined)
      await this.#witnessLast()
    }
    await this.#witnessing?.close()
    await this.#signer.close()
    await this.#recovered.wal.close()
    this.#failed = true
  }

  /** Nothing follows that would bring its cosignatures: the last checkpoint waits for them as long as a record may. */
  async #witnessLast(): Promise<void> {
    try {
      const head = await this.#witnessing?.upTo(this.#sequencer.durable.size)
      if (head !== undefined) await this.#publisher.renew(head)
    } catch (error) {
      // It stays signed; the next start has it witnessed.
      this.#noteError(error)
    }
  }

  /** Where heads come from: without witnesses the best there is is signed. */
  #heads(): Heads {
    const witnessing = this.#witnessing
    const signed = async (size: number): Promise<Head> => this.#signing.upTo(size)
    if (witnessing === undefined)
      return { witnessed: async () => noWitnesses(), best: signed, publishable: signed }
    return {
      witnessed: async (size) => witnessing.upTo(size),
      best: async (size) => witnessing.best(size),
      publishable: async (size) => witnessing.publishable(size),
    }
  }

  #openWitnessing(witnesses: WitnessesOptions): Witnessing {
    return new Witnessing(
      {
        signing: this.#signing,
        clock: this.#options.clock,
        published: this.#recovered.published,
        durableSize: () => this.#sequencer.durable.size,
        onAlarm: (alarm) => {
          this.record(alarm)
          this.#options.onAlarm?.(alarm)
        },
        onCosigned: (head) => {
          this.#publisher.renew(head).catch((error: unknown) => this.#noteError(error))
        },
        onError: (error) => this.#noteError(error),
      },
      witnesses,
    )
  }

  #schedule(round: () => void): void {
    if (!this.#failed && !this.#closing)
      this.#timer = setTimeout(round, this.#options.checkpointIntervalMs ?? CHECKPOINT_INTERVAL_MS)
  }

  async #watched<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      this.#noteError(error)
      throw error
    }
  }

  #noteError(error: unknown): void {
    // Witnesses that do not answer have a status and an alarm of their own; the log itself is well.
    if (error instanceof LedgerError && error.code === 'WITNESS_QUORUM') return
    this.#lastError = messageOf(error)
    if (!(error instanceof LedgerError && error.fatal)) {
      this.#options.onError?.(error)
      return
    }
    if (this.#failed) return
    this.#failed = true
    const { onFatal = exit } = this.#options
    onFatal(error)
  }

  #checkIndex(index: number): void {
    const { size } = this.#sequencer.durable
    if (index < size) return
    throw new LedgerError('LEDGER_RANGE', `could not find record ${index}: the log has ${size}`)
  }
}

/** Where the checkpoints of at least so many records come from. */
interface Heads {
  readonly witnessed: (size: number) => Promise<Head>
  readonly best: (size: number) => Promise<Head>
  readonly publishable: (size: number) => Promise<Head>
}

function noWitnesses(): never {
  throw new LedgerError(
    'WITNESS_QUORUM',
    'could not have the record witnessed: no witnesses are configured',
    { hint: 'name a policy under witnesses' },
  )
}

function signerOf({ signerSocket, signerUrl }: LedgerOptions): SignerPlace {
  if (signerUrl !== undefined) return signerUrl
  assert.ok(signerSocket !== undefined, 'a ledger has a signer')
  return { socketPath: signerSocket }
}

function checkLimits(options: LedgerOptions): Limits {
  const segmentBytes = options.segmentBytes ?? SEGMENT_BYTES
  const batchBytesMax = options.batchBytesMax ?? BATCH_BYTES_MAX
  const draftBytesMax = options.draftBytesMax ?? Math.min(DRAFT_BYTES_MAX, segmentBytes / 2)
  const frame = Math.max(batchBytesMax, draftBytesMax) + FRAME_OVERHEAD_BYTES + SEGMENT_HEADER_BYTES
  if (frame > segmentBytes || segmentBytes > 0xff_ff_ff_ff) {
    throw new LedgerError(
      'LEDGER_LIMIT',
      `could not open the log: a segment of ${segmentBytes} bytes cannot hold a frame of ${frame}`,
      {
        hint: 'raise ledger.segmentBytes, or lower ledger.batchBytesMax',
      },
    )
  }
  return { segmentBytes, batchBytesMax, draftBytesMax }
}

function exit(error: LedgerError): void {
  process.stderr.write(`countersign: error: ${error.message}\n`)
  if (error.cause !== undefined)
    process.stderr.write(`countersign: hint: ${messageOf(error.cause)}; ${error.hint ?? ''}\n`)
  else if (error.hint !== undefined) process.stderr.write(`countersign: hint: ${error.hint}\n`)
  process.exit(2)
}
