/**
 * The folder of a mirror. It holds the copy of one log: `log/`, a tlog-tiles prefix that any web server may publish, and beside it
 * what the mirror itself needs. It guarantees that the checkpoint in `log/` names nothing that is not durable below it. Lost, it is
 * copied again; an attacker who owns it can destroy it, and whoever verifies it sees that.
 */
import { mkdir, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { TILE_WIDTH, tilePath } from '@countersign/tlog/tile'
import type { Tile } from '@countersign/tlog/tile'
import { sha256Hex } from '../cryptography.ts'
import { replaceFile, syncDirectory, takeLock, writeDurably } from '../platform.ts'
import type { Lock } from '../platform.ts'
import { FollowError, messageOf } from './errors.ts'

/** Pieces of evidence that are kept; one that is there already is not kept twice. */
const EVIDENCE_MAX = 100

/** Says that the folder is a mirror's: nobody else's files are ever written over. */
const MARKER = 'mirror'

/** Folders whose existence is remembered, to spare a system call for each file. */
const KNOWN_FOLDERS_MAX = 1_000

export class CopyStore {
  /** The prefix: `checkpoint`, `tile/`, perhaps `addenda/`. */
  readonly log: string
  /** Two checkpoints that cannot both be, side by side. */
  readonly evidence: string
  readonly #folder: string
  readonly #state: string
  readonly #temporary: string
  readonly #lock: Lock
  readonly #known = new Set<string>()
  readonly #unsynced = new Set<string>()

  private constructor(folder: string, lock: Lock) {
    this.#folder = folder
    this.log = join(folder, 'log')
    this.evidence = join(folder, 'evidence')
    this.#state = join(folder, 'state')
    this.#temporary = join(folder, 'state', 'tmp')
    this.#lock = lock
  }

  /** @throws {FollowError} `FOLLOW_IN_USE`, `FOLLOW_STORE` */
  static async open(folder: string): Promise<CopyStore> {
    return await storing(folder, async () => {
      await checkIsOurs(folder)
      await mkdir(join(folder, 'state'), { recursive: true })
      const lock = takeLock(join(folder, 'state', 'lock')) ?? inUse(folder)
      const store = new CopyStore(folder, lock)
      // What a process that was killed had not put in place.
      await rm(store.#temporary, { recursive: true, force: true })
      await mkdir(store.#temporary)
      await writeFile(join(folder, 'state', MARKER), 'a copy of a log\n', { flush: true })
      await mkdir(store.log, { recursive: true })
      return store
    })
  }

  close(): void {
    this.#lock.release()
  }

  /** A file of the copy; nothing when it is not there. @throws {FollowError} `FOLLOW_STORE` */
  async read(path: string): Promise<Uint8Array | undefined> {
    return await readOrNothing(join(this.log, path))
  }

  /** Puts a file in its place, whole; it stays for sure once `settle` has resolved. @throws {FollowError} `FOLLOW_STORE` */
  async put(path: string, bytes: Uint8Array): Promise<void> {
    const target = join(this.log, path)
    await storing(target, async () => {
      await this.#makeFolder(dirname(target))
      await replaceFile(target, bytes, { temporary: this.#temporary })
      this.#unsynced.add(dirname(target))
    })
  }

  /** Waits until every name that was put is durable. @throws {FollowError} `FOLLOW_STORE` */
  async settle(): Promise<void> {
    const folders = [...this.#unsynced]
    this.#unsynced.clear()
    await storing(this.log, async () => {
      for (const folder of folders) await syncDirectory(folder)
    })
  }

  /** From here on, readers see the new tree: all of it must be settled. */
  async putCheckpoint(note: string): Promise<void> {
    await storing(this.log, async () =>
      writeDurably(join(this.log, 'checkpoint'), note, { temporary: this.#temporary }),
    )
  }

  /** Removes narrower partial tiles; all of them once the full one is there, which begins with the same bytes. */
  async removeNarrower(tile: Tile): Promise<void> {
    const full = tilePath({ ...tile, width: TILE_WIDTH })
    const folder = join(this.log, `${full}.p`)
    for (const name of await namesIn(folder)) {
      // Left behind by a failure or a crash, it is a true beginning of the wider one.
      if (Number(name) < tile.width) await unlink(join(folder, name)).catch(() => undefined)
    }
    if (tile.width === TILE_WIDTH) await rm(folder, { recursive: true, force: true })
  }

  /** A small fact of the mirror's own, beside the copy. */
  async readState(name: string): Promise<string | undefined> {
    const bytes = await readOrNothing(join(this.#state, name))
    return bytes === undefined ? undefined : Buffer.from(bytes).toString('utf8')
  }

  async writeState(name: string, text: string): Promise<void> {
    await storing(this.#state, async () => writeDurably(join(this.#state, name), text))
  }

  /** Writes a file of the folder itself when it is not there. @returns what is there now. */
  async keepOnce(name: string, text: string): Promise<string> {
    const path = join(this.#folder, name)
    const there = await readOrNothing(path)
    if (there !== undefined) return Buffer.from(there).toString('utf8')
    await storing(path, async () => writeDurably(path, text))
    return text
  }

  /**
   * Keeps checkpoints that cannot both be of one log.
   * @returns the folder they are in.
   */
  async keepEvidence(notes: Readonly<Record<string, string>>): Promise<string> {
    const digest = sha256Hex(Object.values(notes).join('\n')).slice(0, 16)
    const folder = join(this.evidence, digest)
    await storing(folder, async () => {
      const kept = await namesIn(this.evidence)
      if (kept.length >= EVIDENCE_MAX || kept.some((name) => name === digest)) return
      await mkdir(folder, { recursive: true })
      for (const [name, note] of Object.entries(notes)) {
        await writeFile(join(folder, name), note, { flush: true })
      }
      for (const name of [folder, this.evidence, this.#folder]) await syncDirectory(name)
    })
    return folder
  }

  async #makeFolder(folder: string): Promise<void> {
    if (this.#known.has(folder)) return
    await mkdir(folder, { recursive: true })
    // All the way up, also when it exists: a process that was killed may have made it and not synced it.
    for (let name = folder; name !== this.log; name = dirname(name))
      this.#unsynced.add(dirname(name))
    if (this.#known.size >= KNOWN_FOLDERS_MAX) this.#known.clear()
    this.#known.add(folder)
  }
}

/** A folder without the marker may hold what a first start left that was killed, and nothing else. */
async function checkIsOurs(folder: string): Promise<void> {
  const [inside, state] = [await namesIn(folder), await namesIn(join(folder, 'state'))]
  if (state.includes(MARKER)) return
  const others = [...inside.filter((name) => name !== 'state'), ...state.filter(isForeign)]
  if (others.length === 0) return
  throw new FollowError(
    'FOLLOW_STORE',
    `could not open the copy: ${folder} holds something else (${others.slice(0, 3).join(', ')})`,
    { hint: 'name a folder that is new or empty' },
  )
}

function isForeign(name: string): boolean {
  return name !== 'lock' && name !== 'tmp' && name !== 'lock-journal'
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return []
    throw cause
  }
}

async function readOrNothing(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path)
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw unstorable(path, cause)
  }
}

/** Trouble with the copy's own disk is none of the log's. */
async function storing<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof FollowError) throw cause
    throw unstorable(what, cause)
  }
}

function unstorable(what: string, cause: unknown): FollowError {
  return new FollowError('FOLLOW_STORE', `could not keep the copy: ${what}: ${messageOf(cause)}`, {
    cause,
  })
}

function inUse(folder: string): never {
  throw new FollowError(
    'FOLLOW_IN_USE',
    `could not open the copy: another process uses ${folder}`,
    {
      hint: 'one folder has one mirror',
    },
  )
}
