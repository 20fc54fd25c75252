/**
 * One witness as the ledger knows it: what it cosigned, how it is doing, when it may be asked again. Nothing of it is on disk:
 * after a restart its cosignature under the published checkpoint says what it cosigned, and a 409 where it stands.
 */
import type { AskableWitness } from '@countersign/tlog/witness-policy'
import type { Clock } from '../platform.ts'
import type { CosignedHead } from './cosigned-head.ts'
import { WITNESS_ATTEMPTS_MAX, WITNESS_PAUSE_MS_MAX, WITNESS_PAUSE_MS_MIN } from './limits.ts'
import type { WitnessStatus } from './protocol.ts'
import { WitnessClient } from './witness-client.ts'
import type { WitnessAnswer } from './witness-client.ts'

const NS_PER_MS = 1_000_000

export interface AskedWitnessOptions {
  readonly timeoutMs: number
  readonly ca: string | undefined
  readonly clock: Clock
  /** As `Signing.consistency`. */
  readonly consistency: (oldSize: number, newSize: number) => Promise<Uint8Array[]>
  /** Told when the witness says, for the first time, that this log has forked. */
  readonly onFork: (detail: string) => void
}

/** Why there is no cosignature. */
interface Failed {
  readonly failure: string
}

export class AskedWitness {
  readonly witness: AskableWitness
  readonly #options: AskedWitnessOptions
  readonly #client: WitnessClient
  /** The largest size of which we hold, or held, a cosignature: evidence, unlike `#latest`. */
  #cosigned = 0
  /** The size it is believed to have cosigned last; a 409 corrects it. */
  #latest = 0
  #busy = false
  #resumeNs = 0n
  #failuresInRow = 0
  #failures = 0
  #failure: string | null = null
  #latencyMs: number | null = null
  #forked = false

  constructor(witness: AskableWitness, options: AskedWitnessOptions) {
    this.witness = witness
    this.#options = options
    const { timeoutMs, ca } = options
    this.#client = new WitnessClient({ key: witness.key, url: witness.url, timeoutMs, ca })
  }

  get isBusy(): boolean {
    return this.#busy
  }

  /** Why it did not cosign last. */
  get failure(): string | null {
    return this.#failure
  }

  /** False while it is being asked, and in the pause after it failed: one that is away must not be asked at every record. */
  get isReady(): boolean {
    return !this.#busy && this.#options.clock.monotonicNs() >= this.#resumeNs
  }

  get status(): WitnessStatus {
    return {
      name: this.witness.name,
      size: this.#cosigned,
      latencyMs: this.#latencyMs,
      failures: this.#failures,
      failure: this.#failure,
      forked: this.#forked,
    }
  }

  /** It has cosigned this size: found under a checkpoint that was published. */
  hasCosigned(size: number): void {
    this.#cosigned = size
    this.#latest = size
  }

  /**
   * Asks for a cosignature of a head, for `timeoutMs` at most; a failure is kept for the status, and ends in a pause.
   * @throws {LedgerError} when the proof cannot be made: that is the log's trouble, not the witness's.
   */
  async ask(head: CosignedHead): Promise<void> {
    const { clock, timeoutMs } = this.#options
    const startNs = clock.monotonicNs()
    const giveUp = new AbortController()
    const timer = setTimeout(() => giveUp.abort(), timeoutMs)
    this.#busy = true
    try {
      const outcome = await this.#attempt(head, giveUp.signal)
      const endNs = clock.monotonicNs()
      if (outcome === 'cosigned') this.#succeeded(Number(endNs - startNs) / NS_PER_MS)
      else this.#failed(outcome.failure, endNs)
    } finally {
      clearTimeout(timer)
      this.#busy = false
    }
  }

  async close(): Promise<void> {
    await this.#client.close()
  }

  async #attempt(head: CosignedHead, signal: AbortSignal): Promise<'cosigned' | Failed> {
    for (let attempt = 0; attempt < WITNESS_ATTEMPTS_MAX; attempt++) {
      const proof = await this.#options.consistency(this.#latest, head.size)
      const request = { oldSize: BigInt(this.#latest), proof, checkpoint: head.signed }
      const answer = await this.#client.addCheckpoint(request, signal)
      const outcome = this.#take(answer, head)
      if (outcome !== 'again') return outcome
    }
    return { failure: 'it keeps changing its mind, or breaks each connection' }
  }

  #take(answer: WitnessAnswer, head: CosignedHead): 'cosigned' | 'again' | Failed {
    if (answer.kind === 'failed') return answer.again ? 'again' : { failure: answer.detail }
    if (answer.kind === 'latest') return this.#correct(answer.size, head)
    if (answer.kind === 'forked') {
      if (!this.#forked) this.#options.onFork(answer.detail)
      this.#forked = true
      return { failure: `it says that this log has forked: ${answer.detail}` }
    }
    head.add(this.witness, answer.cosignature)
    this.hasCosigned(head.size)
    return 'cosigned'
  }

  /** It says which size it cosigned last. What it may not say: less than what we hold its signature of, and more than there is. */
  #correct(latest: bigint, head: CosignedHead): 'again' | Failed {
    const cosigned = this.#cosigned
    if (latest < BigInt(cosigned)) {
      return {
        failure: `it forgot what it cosigned: it says ${latest} records, and cosigned ${cosigned}`,
      }
    }
    if (latest > BigInt(head.size)) {
      return {
        failure: `it says that it cosigned ${latest} records, and this log has signed ${head.size}`,
      }
    }
    this.#latest = Number(latest)
    return 'again'
  }

  #succeeded(latencyMs: number): void {
    this.#latencyMs = latencyMs
    this.#failure = null
    this.#failuresInRow = 0
    this.#resumeNs = 0n
  }

  #failed(failure: string, nowNs: bigint): void {
    const pauseMs = Math.min(
      WITNESS_PAUSE_MS_MAX,
      WITNESS_PAUSE_MS_MIN * 2 ** Math.min(this.#failuresInRow, 20),
    )
    this.#failure = failure
    this.#failures += 1
    this.#failuresInRow += 1
    this.#resumeNs = nowNs + BigInt(pauseMs * NS_PER_MS)
  }
}
