/** Reads back from the published log what was decided on a request of the demo. */
import { follow, readLeaf } from '../follow.ts'
import { locateLog } from './log-place.ts'

/** A decision as it stands on the log, under a checkpoint whose signature verified. */
export interface ShownScene {
  readonly allowed: boolean
  /** The reason in words; for a worthless credential, what is wrong with it. */
  readonly why: string
  readonly rule: string
  /** 0-based leaf index of the record that holds the decision. */
  readonly index: number
  readonly egress: boolean
}

export interface SceneRecords {
  /** Waits until the transaction is published. */
  find(id: string): Promise<ShownScene>
  close(): Promise<void>
}

const PUBLISHED_WITHIN_MS = 15_000

export async function followScenes(dataDir: string): Promise<SceneRecords> {
  const log = await locateLog({ place: dataDir })
  const known = new Map<string, ShownScene>()
  const waiting = new Map<string, (scene: ShownScene) => void>()
  const stop = new AbortController()
  const following = readAll()
  // Whoever waits hears of it through `find`; nobody may be waiting just now.
  following.catch(() => undefined)

  async function readAll(): Promise<void> {
    for await (const { from, entries } of follow(log, {
      from: 0,
      live: true,
      signal: stop.signal,
    })) {
      for (const [at, entry] of entries.entries()) note(entry, from + at)
    }
  }

  function note(entry: Uint8Array, index: number): void {
    const leaf = readLeaf(entry, index)
    if (leaf.decision === undefined) return
    const { allowed, rule, reason } = leaf.decision
    const defects = leaf.actor?.credential?.defects ?? []
    const why = (reason === 'bad_credential' ? defects.join(', ') : reason).replaceAll('_', ' ')
    const scene = { allowed, why, rule, index, egress: leaf.class === 'http.client' }
    known.set(leaf.id, scene)
    waiting.get(leaf.id)?.(scene)
  }

  return {
    async find(id) {
      const scene = known.get(id)
      if (scene !== undefined) return scene
      const { promise, resolve } = Promise.withResolvers<ShownScene>()
      waiting.set(id, resolve)
      return await Promise.race([promise, failing(following), tooLate(id)])
    },
    async close() {
      stop.abort()
      await following
      log.source.close()
    },
  }
}

async function failing(following: Promise<void>): Promise<never> {
  await following
  throw new Error('could not follow the log to its end: it was closed')
}

async function tooLate(id: string): Promise<never> {
  await new Promise((resolve) => setTimeout(resolve, PUBLISHED_WITHIN_MS).unref())
  throw new Error(
    `could not find record ${id}: it was not published within ${PUBLISHED_WITHIN_MS / 1000} s`,
  )
}
