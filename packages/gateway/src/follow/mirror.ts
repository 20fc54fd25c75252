/**
 * Keeps a verified copy of a log. The order is the guarantee: every tile and bundle is held against the signed root before it is
 * stored, children before what names them, and the checkpoint last. So whatever moment a copy is killed in, it verifies up to the
 * checkpoint it has, and what is beyond it is right and will be used. It never follows a log that forked or shrank.
 */
import { equalBytes } from '@countersign/tlog/hash'
import { formatVkey } from '@countersign/tlog/key'
import { consistencyProofAsync } from '@countersign/tlog/proof'
import { nodeFromTile, placeOfNode, tilePath, tileWidth, TILE_WIDTH } from '@countersign/tlog/tile'
import { sha256 } from '../cryptography.ts'
import { copyAddenda } from './copied-addenda.ts'
import type { CopiedAddenda } from './copied-addenda.ts'
import { CopyStore } from './copy-store.ts'
import { broken, FollowError, messageOf } from './errors.ts'
import { Copying } from './copying.ts'
import { fileReader } from './patience.ts'
import type { Patience, PatientReader } from './patience.ts'
import { openHead, readHead } from './published-log.ts'
import type { Head, PublishedLog } from './published-log.ts'
import { SignedTiles } from './signed-tiles.ts'

/** What a cosigner of copies is asked: everything up to `head` is durable. */
export interface CosignRequest {
  readonly head: Head
  /** The consistency proof from an earlier size to that of `head`; empty from 0. */
  readonly prove: (oldSize: number) => Promise<readonly Uint8Array[]>
}

/** @returns signature lines, without their newline, to stand below the checkpoint. */
export type Cosign = (request: CosignRequest) => Promise<readonly string[]>

export interface MirrorOptions {
  /** The folder of the copy: made when missing. */
  readonly folder: string
  readonly log: PublishedLog
  /** Signs what was copied; nobody when absent. */
  readonly cosign?: Cosign | undefined
  /** Told, often, how many entries are copied. */
  readonly onProgress?: ((done: number, size: number) => void) | undefined
  readonly patience?: Partial<Patience> | undefined
  /** Bundles that are fetched at once, each with its tile. */
  readonly concurrency?: number | undefined
}

/** One look at the log. */
export interface Round {
  readonly head: Head
  /** Entries that the copy had before. */
  readonly before: number
  /** Files that were fetched and stored, and their bytes. */
  readonly files: number
  readonly bytes: number
}

/** Times that a log which changes while it is read is read again in one round. */
const READINGS_MAX = 5

export class Mirror {
  readonly store: CopyStore
  readonly #options: MirrorOptions
  #head: Head | undefined

  private constructor(store: CopyStore, options: MirrorOptions, head: Head | undefined) {
    this.store = store
    this.#options = options
    this.#head = head
  }

  /**
   * Opens a copy, or begins one.
   * @throws {FollowError} `FOLLOW_IN_USE`; `FOLLOW_STORE` when the folder holds something else or cannot be written
   */
  static async open(options: MirrorOptions): Promise<Mirror> {
    const store = await CopyStore.open(options.folder)
    try {
      await keepKey(store, options.log)
      return new Mirror(store, options, await ownHead(store, options.log))
    } catch (error) {
      store.close()
      throw error
    }
  }

  /** What the copy holds; nothing before its first round is done. */
  get head(): Head | undefined {
    return this.#head
  }

  /**
   * Copies what is new.
   * @throws {FollowError} `FOLLOW_FORKED`, `FOLLOW_SHRANK`: both checkpoints are kept, and nothing else is;
   * `FOLLOW_BROKEN`, `FOLLOW_UNREADABLE`, `FOLLOW_STORE`: a later round may succeed
   */
  async round(signal: AbortSignal): Promise<Round> {
    const { log } = this.#options
    const reader = fileReader(log.source, { ...this.#options.patience, signal })
    for (let reading = 1; ; reading += 1) {
      const head = await readHead({ ...log, source: { ...log.source, read: reader.read } })
      try {
        const before = this.#head
        await this.#copy(head, reader.read)
        return { head, before: before?.size ?? 0, files: reader.files, bytes: reader.bytes }
      } catch (error) {
        // Partial tiles of a checkpoint go when later ones come: then it is read again, and only then.
        const isLate = error instanceof FollowError && error.code === 'FOLLOW_BROKEN'
        if (!isLate || reading >= READINGS_MAX || !(await this.#hasMoved(head, reader.read)))
          throw error
      }
    }
  }

  close(): void {
    this.store.close()
  }

  /** As `copyAddenda`, of what is copied so far. */
  async addenda(signal: AbortSignal): Promise<CopiedAddenda> {
    const { log, patience, concurrency } = this.#options
    if (this.#head === undefined) return { copied: 0, absent: 0, altered: 0 }
    const { read } = fileReader(log.source, { ...patience, signal })
    return await copyAddenda(this.store, this.#head, { read, concurrency })
  }

  async #hasMoved(head: Head, read: PatientReader['read']): Promise<boolean> {
    const { log } = this.#options
    const now = await readHead({ ...log, source: { ...log.source, read } })
    return now.size > head.size
  }

  async #copy(head: Head, read: PatientReader['read']): Promise<void> {
    const own = this.#head
    if (own !== undefined) await this.#checkSuccession(own, head)
    if (own?.note === head.note) return
    if (own !== undefined && own.size === head.size) {
      // The same tree, with other signatures below it.
      await this.#commit(head)
      return
    }
    const tree = await SignedTiles.open(head, read)
    if (own !== undefined) await this.#checkGrowth(own, tree)
    await new Copying(tree, this.store, { ...this.#options, from: own?.size ?? 0 }).run()
    await this.#commit(head)
    await this.#prune(own, head)
  }

  /** All of the tree is on disk. A crash before the last line leaves the old checkpoint, and nothing signed that anyone has seen. */
  async #commit(head: Head): Promise<void> {
    await this.store.settle()
    const { cosign } = this.#options
    const lines = (await cosign?.({ head, prove: (from) => this.#prove(from, head.size) })) ?? []
    await this.store.putCheckpoint(withLines(head.note, lines))
    this.#head = head
  }

  /** Origin and size: what two checkpoints tell without their trees. */
  async #checkSuccession(own: Head, next: Head): Promise<void> {
    if (own.origin !== next.origin) {
      throw new FollowError(
        'FOLLOW_STORE',
        `could not go on: the copy is of ${own.origin}, and ${this.#options.log.source.name} is ${next.origin}`,
        { hint: 'copy another log to another folder' },
      )
    }
    if (next.size < own.size) {
      await this.#refuse(
        'FOLLOW_SHRANK',
        { own, next },
        `it was signed with ${own.size} entries, and now with ${next.size}`,
      )
    }
    if (next.size === own.size && !equalBytes(next.root, own.root)) {
      await this.#refuse(
        'FOLLOW_FORKED',
        { own, next },
        `two roots are signed for its ${own.size} entries`,
      )
    }
  }

  /** The first entries of the new tree must be the old one. */
  async #checkGrowth(own: Head, tree: SignedTiles): Promise<void> {
    if (equalBytes(await tree.rootAt(own.size), own.root)) return
    const why = `its first ${own.size} entries are not those that it signed before`
    await this.#refuse('FOLLOW_FORKED', { own, next: tree.head }, why)
  }

  async #refuse(
    code: 'FOLLOW_FORKED' | 'FOLLOW_SHRANK',
    { own, next }: { own: Head; next: Head },
    why: string,
  ): Promise<never> {
    const place = await this.store.keepEvidence({
      'copied.checkpoint': own.note,
      'refused.checkpoint': next.note,
    })
    const how = code === 'FOLLOW_FORKED' ? 'THE LOG FORKED' : 'THE LOG SHRANK'
    throw new FollowError(code, `could not go on: ${how}: ${own.origin}: ${why}`, {
      hint: `both signed checkpoints are in ${place}; the copy stays as it was, with ${own.size} entries`,
    })
  }

  async #prove(from: number, size: number): Promise<readonly Uint8Array[]> {
    if (from === 0 || from === size) return []
    const readNode = async (level: number, index: number): Promise<Uint8Array> => {
      const place = placeOfNode(level, index)
      const width = tileWidth(size, place.level, place.index)
      const path = tilePath({ level: place.level, index: place.index, width })
      const bytes = await this.store.read(path)
      if (bytes === undefined) throw broken(`${path} is missing from the copy`)
      return nodeFromTile(sha256, bytes, place)
    }
    return await consistencyProofAsync(from, size, { sha256, readNode })
  }

  async #prune(own: Head | undefined, head: Head): Promise<void> {
    if (own === undefined) return
    const levels: (number | 'entries')[] = ['entries']
    for (let level = 0; Math.floor(own.size / TILE_WIDTH ** level) > 0; level += 1)
      levels.push(level)
    for (const level of levels) {
      const above = level === 'entries' ? 1 : level + 1
      const index = Math.floor(own.size / TILE_WIDTH ** above)
      const width = tileWidth(head.size, level, index)
      // Whoever read the old checkpoint may come for its partial tiles; full ones serve them too.
      const kept = width === TILE_WIDTH ? width : tileWidth(own.size, level, index)
      await this.store.removeNarrower({ level, index, width: kept })
    }
  }
}

/** The log's checkpoint with our own lines; older ones of ours, which the log may have collected, give way. */
function withLines(note: string, lines: readonly string[]): string {
  if (lines.length === 0) return note
  const names = new Set(lines.map(nameOfLine))
  const end = note.lastIndexOf('\n\n') + 2
  const others = note
    .slice(end)
    .split('\n')
    .filter((line) => line !== '' && !names.has(nameOfLine(line)))
  return note.slice(0, end) + [...others, ...lines].map((line) => `${line}\n`).join('')
}

function nameOfLine(line: string): string {
  return line.split(' ')[1] ?? ''
}

/** The key stands beside the copy, so that whoever has only the copy can verify it. */
async function keepKey(store: CopyStore, { keys }: PublishedLog): Promise<void> {
  const text = keys.map((key) => `${formatVkey(key)}\n`).join('')
  if ((await store.keepOnce('log.vkey', text)) === text) return
  throw new FollowError('FOLLOW_STORE', 'could not open the copy: it was begun with another key', {
    hint: 'its log.vkey says which; copy another log to another folder',
  })
}

async function ownHead(store: CopyStore, { keys }: PublishedLog): Promise<Head | undefined> {
  const bytes = await store.read('checkpoint')
  if (bytes === undefined) return undefined
  try {
    return await openHead(bytes, { keys })
  } catch (cause) {
    throw new FollowError(
      'FOLLOW_STORE',
      `could not open the copy: its own checkpoint is not to be trusted: ${messageOf(cause)}`,
      { cause, hint: 'it was damaged or replaced: copy the log again, to another folder' },
    )
  }
}
