/** Which characters of our sources have run, as node's own inspector counts them, block by block. */
import type { Profiler } from 'node:inspector'
import { Session } from 'node:inspector/promises'

const OURS = /\/packages\/[^/]+\/src\//
const TESTS = /\.test\.ts$|\/testing\//

/** A character of a source: its file, and where in it. */
type Place = `${string}#${number}`

export class Coverage {
  readonly #session = new Session()
  readonly #seen = new Set<Place>()

  async start(): Promise<void> {
    this.#session.connect()
    await this.#session.post('Profiler.enable')
    await this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** Characters that have run since the start. */
  get characters(): number {
    return this.#seen.size
  }

  /** What has run since the last time, and never before. */
  async takeNew(): Promise<Set<Place>> {
    const news = new Set<Place>()
    await this.#take((place) => {
      if (this.#seen.has(place)) return
      this.#seen.add(place)
      news.add(place)
    })
    return news
  }

  /** Removes from some places those that have run since the last time. @returns whether there were any. */
  async takeFrom(places: Set<Place>): Promise<boolean> {
    const before = places.size
    await this.#take((place) => void places.delete(place))
    return places.size < before
  }

  stop(): void {
    this.#session.disconnect()
  }

  async #take(visit: (place: Place) => void): Promise<void> {
    const { result } = await this.#session.post('Profiler.takePreciseCoverage')
    for (const { url, functions } of result) {
      if (!OURS.test(url) || TESTS.test(url)) continue
      for (const { ranges } of functions) visitRan(ranges, (at) => visit(`${url}#${at}`))
    }
  }
}

/** The characters of one function that ran. Inner ranges come after the ones they are in, and correct them. */
function visitRan(ranges: readonly Profiler.CoverageRange[], visit: (at: number) => void): void {
  const [whole] = ranges
  if (whole === undefined || whole.count === 0) return
  const { startOffset: first, endOffset: end } = whole
  const ran = new Uint8Array(end - first)
  for (const { startOffset, endOffset, count } of ranges)
    ran.fill(count > 0 ? 1 : 0, startOffset - first, endOffset - first)
  for (const [at, one] of ran.entries()) if (one === 1) visit(first + at)
}
