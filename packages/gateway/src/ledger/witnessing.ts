/**
 * Turns what is signed into what a quorum of witnesses has cosigned. All who wait at the same time share one round; the next
 * begins when it has ended, with everything durable by then. A round ends when the quorum holds, when it cannot be reached any
 * more, or in `timeoutMs`: a witness that hangs or lies delays nobody but itself. It holds the last cosigned head, which is also
 * in the published checkpoint; lost with the process, the witnesses still know what they cosigned.
 */
import { TlogError } from '@countersign/tlog/errors'
import { formatNote, parseNote } from '@countersign/tlog/note'
import { askableWitnesses, describeQuorum, parsePolicy } from '@countersign/tlog/witness-policy'
import type { AskableWitness, WitnessPolicy } from '@countersign/tlog/witness-policy'
import { sha256 } from '../cryptography.ts'
import type { Clock } from '../platform.ts'
import { AskedWitness } from './asked-witness.ts'
import { CosignedHead, findCosignature, isBy } from './cosigned-head.ts'
import { LedgerError, rethrow } from './errors.ts'
import {
  PUBLISH_WITNESS_WAIT_MS,
  WITNESS_DETAIL_MAX,
  WITNESS_GRACE_MS,
  WITNESS_TIMEOUT_MS,
} from './limits.ts'
import type { WitnessesStatus } from './protocol.ts'
import { QuorumAlarm } from './quorum-alarm.ts'
import type { Alarm } from './quorum-alarm.ts'
import type { Head } from './recovery.ts'
import type { Signing } from './signing.ts'

/** Whom the ledger asks to cosign. */
export interface WitnessesOptions {
  /** The text of a tlog-policy file; each of its witnesses has a URL. */
  readonly policy: string
  /** How long a witness may take, and how long a record that demands D2 may wait. */
  readonly timeoutMs?: number
  /** How long the quorum may be out of reach before that is an alarm. */
  readonly graceMs?: number
  /** PEM of the authorities for witnesses on https; the system's when absent. */
  readonly ca?: string | undefined
}

/** What witnessing needs of the ledger around it. */
export interface WitnessingRooms {
  readonly signing: Signing
  readonly clock: Clock
  readonly published: Head | undefined
  readonly durableSize: () => number
  readonly onAlarm: (alarm: Alarm) => void
  /** Told of each cosignature: the head now has one more. */
  readonly onCosigned: (head: Head) => void
  /** What went wrong on our own side. */
  readonly onError: (error: unknown) => void
}

/** A round under way: ends once, with whether the quorum holds. */
interface Round {
  readonly head: CosignedHead
  readonly end: (met: boolean) => void
}

export class Witnessing {
  readonly #rooms: WitnessingRooms
  readonly #policy: WitnessPolicy
  readonly #witnesses: readonly AskedWitness[]
  readonly #timeoutMs: number
  readonly #alarm: QuorumAlarm
  /** The newest head that was put to the witnesses. */
  #target: CosignedHead | undefined
  /** The newest head under which the quorum holds. */
  #witnessed: CosignedHead | undefined
  #underWay: Promise<{ head: CosignedHead; met: boolean }> | undefined
  #round: Round | undefined
  #adopted: Promise<void> | undefined
  #closed = false

  /** @throws {LedgerError} `WITNESS_POLICY` */
  constructor(rooms: WitnessingRooms, options: WitnessesOptions) {
    const { timeoutMs = WITNESS_TIMEOUT_MS, graceMs = WITNESS_GRACE_MS, ca } = options
    const { clock, signing, onAlarm } = rooms
    this.#rooms = rooms
    const { policy, witnesses } = readPolicy(options.policy)
    this.#policy = policy
    this.#timeoutMs = timeoutMs
    this.#witnesses = witnesses.map(
      (witness) =>
        new AskedWitness(witness, {
          timeoutMs,
          ca,
          clock,
          consistency: async (oldSize, newSize) => signing.consistency(oldSize, newSize),
          onFork: (detail) =>
            onAlarm({
              kind: 'alarm',
              what: 'witness_fork',
              raised: true,
              about: witness.name.slice(0, WITNESS_DETAIL_MAX),
              detail,
            }),
        }),
    )
    this.#alarm = new QuorumAlarm({
      graceMs,
      nowNs: () => clock.monotonicNs(),
      about: describeQuorum(this.#policy).slice(0, WITNESS_DETAIL_MAX),
      onAlarm,
    })
  }

  /**
   * Waits until the quorum has cosigned a checkpoint of at least `size` records, and asks at once.
   * @throws {LedgerError} `WITNESS_QUORUM` when it does not in time; what signing throws.
   */
  async upTo(size: number): Promise<Head> {
    for (;;) {
      const witnessed = this.#witnessed
      if (witnessed !== undefined && witnessed.size >= size) return witnessed
      const { head, met } = await this.#join()
      if (!met && head.size >= size) throw this.#unmet()
    }
  }

  /**
   * The head to publish, of at least `size` records: cosigned, if the quorum answers soon. Publication does not wait for
   * longer than that: then it is signed, and its cosignatures follow.
   * @throws {LedgerError} what signing throws.
   */
  async publishable(size: number): Promise<Head> {
    let timer: NodeJS.Timeout | undefined
    const soon = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), PUBLISH_WITNESS_WAIT_MS)
    })
    // Why the quorum is not there is in the status and, in the end, in an alarm; trouble of the signer shows below.
    const witnessed = this.upTo(size).catch(() => undefined)
    const head = await Promise.race([witnessed, soon])
    clearTimeout(timer)
    return head ?? this.best(size)
  }

  /** The best head of at least `size` records that is there without asking witnesses: signed when there is none. */
  async best(size: number): Promise<Head> {
    const witnessed = this.#witnessed
    if (witnessed !== undefined && witnessed.size >= size) return witnessed
    const signed = await this.#rooms.signing.upTo(size)
    return this.#target?.size === signed.size ? this.#target : signed
  }

  /** Asks those again who have not cosigned the newest head. Never rejects: the rounds that people wait for tell them. */
  again(): void {
    const target = this.#target
    const isComplete =
      target !== undefined &&
      target.size === this.#rooms.durableSize() &&
      this.#policy.witnesses.every((witness) => target.isCosignedBy(witness))
    if (this.#closed || isComplete || this.#underWay !== undefined) return
    this.#join().catch(this.#rooms.onError)
  }

  get status(): WitnessesStatus {
    return {
      quorum: describeQuorum(this.#policy),
      up: this.#alarm.isUp,
      size: this.#witnessed?.size ?? 0,
      each: this.#witnesses.map((witness) => witness.status),
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#round?.end(false)
    await Promise.all(this.#witnesses.map(async (witness) => witness.close()))
  }

  async #join(): Promise<{ head: CosignedHead; met: boolean }> {
    this.#underWay ??= this.#run().finally(() => {
      this.#underWay = undefined
    })
    return this.#underWay
  }

  async #run(): Promise<{ head: CosignedHead; met: boolean }> {
    await (this.#adopted ??= this.#adopt())
    const { signing, durableSize } = this.#rooms
    const signed = await signing.upTo(durableSize())
    // Signed and durable: whatever a witness keeps of it, this log continues from there after any crash.
    const head =
      this.#target?.size === signed.size ? this.#target : new CosignedHead(signed, this.#policy)
    this.#target = head
    const met = await this.#askAll(head)
    this.#round = undefined
    if (met) {
      this.#witnessed = head
      this.#alarm.met()
    } else if (!this.#closed) this.#alarm.unmet(this.#reasons())
    return { head, met }
  }

  async #askAll(head: CosignedHead): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined
    const met = await new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), this.#timeoutMs)
      this.#round = { head, end: resolve }
      for (const witness of this.#witnesses) this.#offer(witness)
      this.#settle()
    })
    clearTimeout(timer)
    return met
  }

  /** Puts the newest head to a witness that has not cosigned it, unless it is busy with an older one: then it comes after. */
  #offer(asked: AskedWitness): void {
    const target = this.#target
    if (this.#closed || target === undefined || !asked.isReady) return
    if (target.isCosignedBy(asked.witness)) return
    asked
      .ask(target)
      .catch(this.#rooms.onError)
      .then(() => this.#answered(asked, target), rethrow)
  }

  #answered(asked: AskedWitness, head: CosignedHead): void {
    if (head.isCosignedBy(asked.witness)) this.#rooms.onCosigned(head)
    if (this.#target !== head) this.#offer(asked)
    this.#settle()
  }

  /** Ends the round when the quorum holds, or cannot be reached by those who have not answered yet. */
  #settle(): void {
    if (this.#round === undefined) return
    const { head, end } = this.#round
    const busy = this.#witnesses.filter(({ isBusy }) => isBusy).map(({ witness }) => witness)
    if (head.meetsQuorum()) end(true)
    else if (!head.meetsQuorum(busy)) end(false)
  }

  /** Takes up what the published checkpoint already carries. */
  async #adopt(): Promise<void> {
    const { published, onError } = this.#rooms
    if (published === undefined) return
    const { text, signatures } = parseNote(published.note)
    const others = signatures.filter(
      (signature) => !this.#witnesses.some(({ witness }) => isBy(signature, witness.key)),
    )
    const note = formatNote(
      text,
      others.map(({ line }) => line),
    )
    const head = new CosignedHead({ ...published, note }, this.#policy)
    for (const asked of this.#witnesses) {
      try {
        const cosignature = await findCosignature(text, signatures, asked.witness.key)
        if (cosignature === undefined) continue
        head.add(asked.witness, cosignature)
        asked.hasCosigned(head.size)
      } catch (error) {
        if (!(error instanceof TlogError)) throw error
        // Not ours to repair: the next publication replaces it.
        onError(error)
      }
    }
    if (head.meetsQuorum()) this.#witnessed = head
  }

  #unmet(): LedgerError {
    return new LedgerError(
      'WITNESS_QUORUM',
      `could not have the record witnessed: ${describeQuorum(this.#policy)} did not cosign in time`,
      { hint: this.#reasons() },
    )
  }

  #reasons(): string {
    const reasons = this.#witnesses.flatMap(({ witness, failure, isBusy }) =>
      failure === null && !isBusy ? [] : [`${witness.name}: ${failure ?? 'it has not answered'}`],
    )
    return reasons.join('; ').slice(0, 4 * WITNESS_DETAIL_MAX)
  }
}

function readPolicy(text: string): {
  policy: WitnessPolicy
  witnesses: readonly AskableWitness[]
} {
  try {
    const policy = parsePolicy(text, sha256)
    return { policy, witnesses: askableWitnesses(policy) }
  } catch (cause) {
    if (!(cause instanceof TlogError)) throw cause
    throw new LedgerError('WITNESS_POLICY', `could not use the witnesses: ${cause.message}`, {
      cause,
      hint: 'the file is that of c2sp.org/tlog-policy, with a URL for each witness',
    })
  }
}
