/**
 * Raises one alarm when the quorum has been out of reach for the grace, and ends it once. It holds since when that is so; lost
 * with the process, the boot record ends what was raised before it, and what still stands is raised again after the grace.
 */
import type { Lifecycle } from '@countersign/record/leaf'

/** A fact for the log about what is wrong with the evidence. */
export type Alarm = Extract<Lifecycle, { kind: 'alarm' }>

export interface QuorumAlarmOptions {
  readonly graceMs: number
  readonly nowNs: () => bigint
  /** The quorum in words. */
  readonly about: string
  readonly onAlarm: (alarm: Alarm) => void
}

const NS_PER_MS = 1_000_000

export class QuorumAlarm {
  readonly #options: QuorumAlarmOptions
  #unmetSinceNs: bigint | undefined
  #raised = false

  constructor(options: QuorumAlarmOptions) {
    this.#options = options
  }

  get isUp(): boolean {
    return this.#unmetSinceNs === undefined
  }

  met(): void {
    this.#unmetSinceNs = undefined
    if (!this.#raised) return
    this.#raised = false
    this.#tell(false, 'the quorum has cosigned again')
  }

  /** @param detail which witness did not cosign, and why. */
  unmet(detail: string): void {
    const now = this.#options.nowNs()
    this.#unmetSinceNs ??= now
    const forMs = Number(now - this.#unmetSinceNs) / NS_PER_MS
    if (this.#raised || forMs < this.#options.graceMs) return
    this.#raised = true
    this.#tell(true, detail)
  }

  #tell(raised: boolean, detail: string): void {
    const { about, onAlarm } = this.#options
    onAlarm({ kind: 'alarm', what: 'witness_quorum', raised, about, detail })
  }
}
