/**
 * The write side's end of the ledger. It holds the drafts of one session that are not yet durable, and guarantees that each
 * accepted one is written exactly once and in order, across any death of the ledger. Lost with this process: the drafts that
 * were accepted and not acknowledged.
 */
import { encodeDraft } from '@countersign/record/encode'
import { openIds } from '@countersign/record/id'
import type { Draft } from '@countersign/record/leaf'
import type { AcknowledgementLevel, Receipt } from '@countersign/record/vocabulary'
import { leafIndex } from '@countersign/tlog/size'
import type { LeafIndex } from '@countersign/tlog/size'
import { sha256 } from '../cryptography.ts'
import type { Clock } from '../platform.ts'
import { entriesOf, sectionBytes } from './entries.ts'
import { LedgerError } from './errors.ts'
import { putUint64 } from './frame.ts'
import {
  APPEND_TIMEOUT_MS,
  CLOSE_WITHIN_MS,
  ENTRIES_COUNT_MAX,
  GATHER_TURNS_MAX,
  PENDING_MAX,
  RECONNECT_MS_MAX,
  RECONNECT_MS_MIN,
} from './limits.ts'
import { Link, unavailable } from './link.ts'
import { decodeNumber, decodeStatus, LEVELS, MessageType, wireLevel } from './protocol.ts'
import type { LedgerStatus } from './protocol.ts'
import { DraftQueue, type Waiting } from './queue.ts'

export interface ConnectOptions {
  /** As `RunningLedger.socketPath`. */
  readonly socketPath: string
  readonly clock: Clock
  /** UUIDv7 of this writer's boot; a fresh one by default. One session has one client. */
  readonly session?: string
  /** Drafts that may wait; one more is refused. */
  readonly pendingMax?: number
  /** Bytes of one message; the ledger's own limit when that is lower. */
  readonly batchBytesMax?: number
  /** How long a draft may wait for company before it is sent, in whole milliseconds; 0 sends at the end of the turn. */
  readonly batchAgeMs?: number
  /** With so many drafts waiting, a message is sent before `batchAgeMs`. */
  readonly batchCount?: number
  /** Longest pause between attempts to reconnect; the first is 5 ms, and each is twice the one before. */
  readonly reconnectMsMax?: number
  /** How long a message may stay unanswered before the ledger counts as away. */
  readonly appendTimeoutMs?: number
  readonly onDown?: (error: LedgerError) => void
  readonly onUp?: () => void
}

/** How one record is appended. */
export interface AppendOptions {
  /** What the promise waits for; D0 by default. */
  readonly level?: AcknowledgementLevel
  /**
   * Called at each level that the record reaches, D0 first, up to `level`: the receipt upgrades itself. D0 is told also when it
   * comes after the promise was rejected.
   */
  readonly onLevel?: (receipt: Receipt) => void
}

/** How many records of a session, and how many of them in which phase; the others are single. */
export interface Written {
  readonly records: number
  readonly intents: number
  readonly outcomes: number
}

/** A connection to the ledger that outlives the ledger. */
export interface Ledger {
  readonly session: string
  /** Drafts accepted and not yet durable. */
  readonly pending: number
  /** Drafts accepted so far: each has its number in the session and is on record, or will be. */
  readonly written: Written
  /** False while the ledger is away. */
  readonly up: boolean
  /**
   * Appends one record and waits until it is durable (D0), or also signed (D1), or also cosigned by the quorum (D2).
   * @param draft at most 65,535 bytes once encoded; stamped with session, number and predecessor, and encoded exactly once.
   * @returns its place in the tree; `leafIndex` is 0-based.
   * @throws {LedgerError} `LEDGER_UNAVAILABLE` at once when the ledger is away: nobody may wait, but with `kept` true the draft
   * stays queued and will be on record. `LEDGER_FULL` when `pendingMax` drafts already wait, `LEDGER_LIMIT` when it is too large,
   * `LEDGER_CLOSED`: these drafts are not accepted (`kept` false), and take no number. `SIGNER_UNAVAILABLE`, `SIGNER_REFUSED`,
   * `SIGNER_STATE` (from D1 on): it is durable, and not signed. `WITNESS_QUORUM` (D2): durable and signed, and the quorum did
   * not cosign in time. With `kept` true it stays on record.
   * @throws {RecordError} when it cannot be encoded.
   */
  append(draft: Draft, options?: AppendOptions): Promise<Receipt>
  /**
   * The receipt of one record, as the text of a `.tlog-proof`; signs at once when needed, and carries the cosignatures at hand.
   * With level D2 the quorum is among them: it is asked at once when needed.
   * @throws {LedgerError} `LEDGER_RANGE`, `SIGNER_UNAVAILABLE`...; `WITNESS_QUORUM` (D2)
   */
  prove(index: LeafIndex, options?: { readonly level?: 'D1' | 'D2' }): Promise<string>
  /** Up to `count` entries, also those not yet published; fewer at a boundary, none at the end of the log. @throws {LedgerError} */
  entries(from: number, count: number): Promise<Uint8Array[]>
  status(): Promise<LedgerStatus>
  /** Waits until everything durable now is signed and published. @throws {LedgerError} */
  publish(): Promise<void>
  /**
   * Removes from the packs the addenda that a durable erasure record names.
   * @returns how many went; none when it was done before.
   * @throws {LedgerError} `LEDGER_RANGE` when that record is no erasure.
   */
  erase(record: LeafIndex): Promise<number>
  /**
   * Accepts no more drafts, and waits until the others are durable.
   * @throws {LedgerError} `LEDGER_UNAVAILABLE` when some are still not after 5 seconds: they are lost with this process.
   */
  close(): Promise<void>
}

/**
 * Connects to the ledger.
 * @throws {LedgerError} `LEDGER_UNAVAILABLE` when it does not answer; afterwards the client reconnects by itself.
 */
export async function connectLedger(options: ConnectOptions): Promise<Ledger> {
  const nowMs = (): number => Number(options.clock.nowNs() / 1_000_000n)
  const session = options.session ?? openIds({ nowMs })()
  const link = await Link.open(options.socketPath, session)
  return new Client(session, link, options)
}

/** Durable, and waiting for more than that. */
interface Climbing {
  readonly reached: (level: AcknowledgementLevel) => void
  readonly reject: (error: LedgerError) => void
  readonly level: AcknowledgementLevel
}

class Client implements Ledger {
  readonly session: string
  readonly #options: ConnectOptions
  readonly #queue = new DraftQueue()
  readonly #pendingMax: number
  #link: Link | undefined
  #batchBytesMax = 0
  #draftBytesMax = 0
  /** From here on, a draft in flight might be found in the log. */
  #unseen: number
  #seq = 0
  #prev: string | undefined
  #intents = 0
  #outcomes = 0
  #flushScheduled = false
  #timer: NodeJS.Timeout | undefined
  #pauseMs = RECONNECT_MS_MIN
  #down: LedgerError = unavailable(undefined)
  /** Accepts no more drafts. */
  #closed = false
  /** Has let go of the ledger for good. */
  #ended = false
  #drained: (() => void) | undefined
  /** Restarted with each message; when it fires and one is still in flight, the ledger hangs. */
  readonly #watch: NodeJS.Timeout

  constructor(session: string, link: Link, options: ConnectOptions) {
    this.session = session
    this.#options = options
    this.#pendingMax = options.pendingMax ?? PENDING_MAX
    this.#unseen = link.status?.durable ?? 0
    this.#watch = setTimeout(
      () => this.#giveUpWaiting(),
      options.appendTimeoutMs ?? APPEND_TIMEOUT_MS,
    ).unref()
    this.#adopt(link)
  }

  get pending(): number {
    return this.#queue.size
  }

  get written(): Written {
    return { records: this.#seq, intents: this.#intents, outcomes: this.#outcomes }
  }

  get up(): boolean {
    return this.#link !== undefined
  }

  append(draft: Draft, { level = 'D0', onLevel }: AppendOptions = {}): Promise<Receipt> {
    // One promise, twice a request: what is thrown in here rejects it.
    return new Promise((resolve, reject) => {
      const { entry, addenda, bytes } = this.#encode(draft)
      // Accepted: from here on it has its number, and is written whatever happens to the ledger.
      this.#seq += 1
      this.#prev = draft.leaf.id
      if (draft.leaf.phase === 'intent') this.#intents += 1
      if (draft.leaf.phase === 'outcome') this.#outcomes += 1
      const reached = (at: AcknowledgementLevel, index: number): void => {
        const receipt: Receipt = { leafIndex: leafIndex(index), level: at }
        onLevel?.(receipt)
        if (at === level) resolve(receipt)
      }
      this.#queue.push({ entry, addenda, bytes, level, reached, reject })
      if (this.#link === undefined) reject(this.#down)
      else this.#scheduleFlush()
    })
  }

  /** @throws {LedgerError | RecordError} when the draft is not accepted. */
  #encode(draft: Draft): Pick<Waiting, 'entry' | 'addenda' | 'bytes'> {
    if (this.#closed)
      throw new LedgerError('LEDGER_CLOSED', 'could not append: the ledger is closed')
    if (this.#queue.size >= this.#pendingMax) {
      throw new LedgerError(
        'LEDGER_FULL',
        `could not append: ${this.#queue.size} drafts wait, and ${this.#pendingMax} may`,
      )
    }
    const stamp =
      this.#prev === undefined
        ? { session: this.session, seq: this.#seq }
        : { session: this.session, seq: this.#seq, prev: this.#prev }
    const { entry } = encodeDraft(draft, stamp, sha256)
    const { addenda } = draft
    const bytes = sectionBytes(entry, addenda)
    if (bytes > this.#draftBytesMax) {
      throw new LedgerError(
        'LEDGER_LIMIT',
        `could not append: a draft of ${bytes} bytes, and ${this.#draftBytesMax} is the limit`,
      )
    }
    return { entry, addenda, bytes }
  }

  async prove(
    index: LeafIndex,
    { level = 'D1' }: { readonly level?: 'D1' | 'D2' } = {},
  ): Promise<string> {
    const payload = Buffer.concat([numbers(index), Buffer.of(wireLevel(level))])
    return (await this.#ask(MessageType.prove, payload)).toString()
  }

  async entries(from: number, count: number): Promise<Uint8Array[]> {
    const page = await this.#ask(MessageType.entries, numbers(from, count))
    return entriesOf(Buffer.from(page.subarray(8)))
  }

  async status(): Promise<LedgerStatus> {
    return decodeStatus(await this.#ask(MessageType.status))
  }

  async publish(): Promise<void> {
    await this.#ask(MessageType.publish)
  }

  async erase(record: LeafIndex): Promise<number> {
    return decodeNumber(await this.#ask(MessageType.erase, numbers(record)))
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const within = setTimeout(() => this.#drained?.(), CLOSE_WITHIN_MS)
    if (this.#queue.size > 0) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve
      })
    }
    clearTimeout(within)
    clearTimeout(this.#watch)
    clearTimeout(this.#timer)
    this.#ended = true
    const link = this.#link
    this.#link = undefined
    link?.break(new LedgerError('LEDGER_CLOSED', 'could not ask: the ledger is closed'))
    const lost = this.#queue.size
    if (lost > 0)
      throw new LedgerError(
        'LEDGER_UNAVAILABLE',
        `could not close the ledger: ${lost} drafts are not durable`,
      )
  }

  async #ask(type: number, payload?: Uint8Array): Promise<Buffer> {
    if (this.#link === undefined)
      throw this.#closed
        ? new LedgerError('LEDGER_CLOSED', 'could not ask: the ledger is closed')
        : this.#down
    return this.#link.ask(type, payload)
  }

  /** One message at a time: what comes meanwhile makes the next group larger, and wakes the ledger less often. */
  #scheduleFlush(): void {
    if (
      this.#flushScheduled ||
      !this.#queue.isIdle ||
      this.#queue.queued === 0 ||
      this.#link === undefined
    )
      return
    const { batchAgeMs = 0, batchCount = 64 } = this.#options
    if (batchAgeMs === 0 || this.#queue.queued >= batchCount) {
      this.#flushScheduled = true
      clearTimeout(this.#timer)
      this.#timer = undefined
      this.#gather({ turn: 1, seen: 0 })
      return
    }
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#flush()
    }, batchAgeMs)
  }

  /**
   * Waits on while each turn of the event loop brings more: a lone draft leaves one turn later, and a crowd becomes one group.
   * A group costs both processes much the same whatever is in it.
   */
  #gather({ turn, seen }: { turn: number; seen: number }): void {
    setImmediate(() => {
      const { queued } = this.#queue
      if (queued > seen && turn < GATHER_TURNS_MAX) this.#gather({ turn: turn + 1, seen: queued })
      else this.#flush()
    })
  }

  #flush(): void {
    this.#flushScheduled = false
    const link = this.#link
    if (link === undefined || !this.#queue.isIdle || this.#queue.queued === 0) return
    const request = link.nextRequest()
    const { message, level } = this.#queue.send(request, this.#batchBytesMax)
    let climbing: Climbing[] | undefined
    let answers = 0
    link.send(message, request, {
      left: 1 + level,
      resolve: (payload) => {
        const reached = LEVELS[answers++]
        if (climbing === undefined) climbing = this.#acknowledge(decodeNumber(payload))
        else if (reached !== undefined) climbing = climb(climbing, reached)
      },
      reject: (error) => {
        if (climbing === undefined) this.#refused(link, error)
        // On record already, whatever it did not reach.
        else for (const waiting of climbing) waiting.reject(kept(error))
      },
    })
    this.#watch.refresh()
  }

  /** All in flight are durable. Returns those who wait for more than that. */
  #acknowledge(firstIndex: number): Climbing[] {
    const climbing: Climbing[] = []
    this.#pauseMs = RECONNECT_MS_MIN
    let index = firstIndex
    for (const draft of this.#queue.acknowledge()) {
      const at = index
      const { level, reject } = draft
      draft.reached('D0', at)
      if (level !== 'D0') climbing.push({ level, reject, reached: (to) => draft.reached(to, at) })
      index += 1
    }
    this.#unseen = index
    if (this.#queue.size === 0) this.#drained?.()
    this.#scheduleFlush()
    return climbing
  }

  /** The ledger did not take a message, and lives: too much waits for publication. We come back later. */
  #refused(link: Link, error: Error): void {
    if (this.#link !== link) return
    link.break(error instanceof LedgerError ? error : unavailable(error))
  }

  /** A disk that hangs is no reason for a request to hang: whoever waits is told, and the drafts stay. */
  #giveUpWaiting(): void {
    const [late] = this.#queue.sent
    if (late === undefined) return
    // If it was we who were busy, the answer is in the socket: read first.
    setImmediate(() => {
      if (this.#queue.sent[0] !== late) return
      this.#link?.break(unavailable(new Error('it took a message and did not answer in time')))
    })
  }

  #adopt(link: Link): void {
    const { batchBytesMax = Number.POSITIVE_INFINITY } = this.#options
    this.#batchBytesMax = Math.min(batchBytesMax, link.status?.batchBytesMax ?? 0)
    this.#draftBytesMax = link.status?.draftBytesMax ?? 0
    this.#link = link
    link.onDown((error) => this.#lose(link, error))
    this.#scheduleFlush()
  }

  #lose(link: Link, error: LedgerError): void {
    if (this.#link !== link) return
    this.#link = undefined
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#down = new LedgerError('LEDGER_UNAVAILABLE', error.message, { cause: error, kept: true })
    this.#queue.rejectAll(this.#down)
    this.#options.onDown?.(this.#down)
    this.#retryLater()
  }

  #retryLater(): void {
    if (this.#ended || (this.#closed && this.#queue.size === 0)) return
    this.#timer = setTimeout(() => {
      this.#reconnect().catch(() => this.#retryLater())
    }, this.#pauseMs)
    this.#pauseMs = Math.min(this.#pauseMs * 2, this.#options.reconnectMsMax ?? RECONNECT_MS_MAX)
  }

  /** Learns what became durable before the connection broke, and sends only the rest again, in order. */
  async #reconnect(): Promise<void> {
    const { socketPath } = this.#options
    const link = await Link.open(socketPath, this.session)
    const durable = link.status?.durable ?? 0
    if (durable < this.#unseen) {
      const error = new LedgerError(
        'LEDGER_SPLIT',
        `could not go on: ${this.#unseen} records were acknowledged, and the ledger has ${durable}`,
      )
      link.break(error)
      this.#options.onDown?.(error)
      throw error
    }
    while (this.#queue.sent.length > 0 && this.#unseen < durable) {
      const count = Math.min(ENTRIES_COUNT_MAX, durable - this.#unseen)
      const page = await link.ask(MessageType.entries, numbers(this.#unseen, count))
      this.#recognise(entriesOf(page.subarray(8)))
    }
    this.#unseen = Math.max(this.#unseen, durable)
    this.#queue.requeueSent()
    if (this.#ended) {
      link.break(new LedgerError('LEDGER_CLOSED', 'could not go on: the ledger is closed'))
      return
    }
    this.#adopt(link)
    this.#options.onUp?.()
    if (this.#queue.size === 0) this.#drained?.()
  }

  /** Drafts of ours in a page of the log. Session and number make each draft's bytes unique. */
  #recognise(entries: readonly Buffer[]): void {
    for (const [at, entry] of entries.entries()) {
      const [oldest] = this.#queue.sent
      if (oldest === undefined || !entry.equals(oldest.entry)) continue
      this.#queue.shiftSent()
      // Whoever waited for more was told that nobody can: durable is all that is certain here.
      oldest.reached('D0', this.#unseen + at)
    }
    this.#unseen += entries.length
    if (entries.length === 0) throw unavailable(new Error('an empty page of entries'))
  }
}

/** Tells all who wait of a level; returns those who wait for a higher one. */
function climb(climbing: readonly Climbing[], reached: AcknowledgementLevel): Climbing[] {
  for (const waiting of climbing) waiting.reached(reached)
  return climbing.filter(({ level }) => level !== reached)
}

/** The same error, of a draft that is on record. */
function kept(cause: Error): LedgerError {
  const { code, hint } = cause instanceof LedgerError ? cause : unavailable(cause)
  return new LedgerError(code, cause.message, {
    cause,
    kept: true,
    ...(hint === undefined ? {} : { hint }),
  })
}

function numbers(first: number, count?: number): Buffer {
  const payload = Buffer.alloc(count === undefined ? 8 : 12)
  putUint64(payload, first, 0)
  if (count !== undefined) payload.writeUInt32BE(count, 8)
  return payload
}
