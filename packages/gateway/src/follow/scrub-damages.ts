/** Damage that is known: told when it is found and when it is over, each once, also across restarts. */
import type { AlarmCause } from '@countersign/record/leaf'
import type { ScrubOptions } from './scrub.ts'
import type { Damage } from './scrub-state.ts'

/** What is to be put on record. */
export interface Alarm {
  readonly what: Extract<AlarmCause, 'tile_damaged' | 'addenda_damaged'>
  /** True when damage was found, false when it is no more. */
  readonly raised: boolean
  readonly about: string
  readonly detail: string
}

/** Files whose damage is remembered one by one; a disk that loses more is lost. */
const DAMAGE_MAX = 1_000

export class Damages {
  readonly #known = new Map<string, Damage>()
  readonly #options: Pick<ScrubOptions, 'record' | 'onEvent' | 'nowMs'>
  /** Found damaged in this pass, and not put right. */
  readonly #seen = new Set<string>()
  #isFullPass = false
  #repaired = 0
  #hasChanged = false

  constructor(
    known: readonly Damage[],
    options: Pick<ScrubOptions, 'record' | 'onEvent' | 'nowMs'>,
  ) {
    this.#options = options
    for (const damage of known) this.#known.set(damage.path, damage)
  }

  get all(): readonly Damage[] {
    return [...this.#known.values()]
  }

  /** Files that were put right since the start. */
  get repaired(): number {
    return this.#repaired
  }

  /** Whether anything came or went since it was last asked. */
  hasChanged(): boolean {
    const changed = this.#hasChanged
    this.#hasChanged = false
    return changed
  }

  /** @param isFull whether the pass starts at the beginning: only then is silence about a file good news. */
  beginPass(isFull: boolean): void {
    this.#seen.clear()
    this.#isFullPass = isFull
  }

  /** Whatever a whole pass has not found damaged is whole again. @param hasBlindSpots whether some files could not be looked at */
  async endPass(hasBlindSpots: boolean): Promise<void> {
    for (const damage of this.#known.values()) {
      if (!damage.recorded) await this.#tell(damage)
      if (this.#isFullPass && !hasBlindSpots && !this.#seen.has(damage.path))
        await this.#over(damage.path, 'it was found whole again')
    }
  }

  async found({ path, what, detail }: Pick<Damage, 'path' | 'what' | 'detail'>): Promise<void> {
    this.#seen.add(path)
    const known = this.#known.get(path)
    if (known?.recorded === true) return
    if (known === undefined) this.#options.onEvent({ kind: 'damaged', path, detail })
    if (known === undefined && this.#known.size >= DAMAGE_MAX) return
    await this.#tell(
      known ?? { path, what, detail, sinceMs: this.#options.nowMs(), recorded: false },
    )
  }

  /** The file was looked at, and nothing is wrong with it. */
  async whole(path: string): Promise<void> {
    if (this.#known.has(path)) await this.#over(path, 'it was found whole again')
  }

  /** The file was replaced by what it must be. */
  async putRight(path: string, from: string): Promise<void> {
    this.#repaired += 1
    this.#options.onEvent({ kind: 'repaired', path, from })
    this.#seen.delete(path)
    await this.#over(path, `it was repaired from ${from}`)
  }

  async #tell(damage: Damage): Promise<void> {
    const { path, what, detail } = damage
    const recorded = await this.#record({ what, raised: true, about: path, detail })
    this.#known.set(path, { ...damage, recorded })
    this.#hasChanged = true
  }

  /** On record first: a crash in between tells it twice rather than never. */
  async #over(path: string, detail: string): Promise<void> {
    const damage = this.#known.get(path)
    if (damage === undefined) return
    // What was never raised need not be taken back.
    const done =
      !damage.recorded ||
      (await this.#record({ what: damage.what, raised: false, about: path, detail }))
    if (done) this.#known.delete(path)
    this.#hasChanged = true
  }

  async #record(alarm: Alarm): Promise<boolean> {
    try {
      await this.#options.record(alarm)
      return true
    } catch (cause) {
      this.#options.onEvent({ kind: 'unrecorded', path: alarm.about, cause })
      return false
    }
  }
}
