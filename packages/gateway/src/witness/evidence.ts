/**
 * What a witness saw and did not cosign, though a log had signed it: for each piece, both signed checkpoints. A folder beside the
 * state; pieces are only added, whole and durable, and never written again. Lost, a fork that was seen can no longer be shown;
 * what is in it convinces by the log's own signatures, so whoever writes here can accuse nobody else.
 */
import { mkdir, mkdtemp, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { encodeBase64 } from '@countersign/tlog/base64'
import { syncDirectory } from '../platform.ts'
import { codeOf, DISK_HINT, messageOf, WitnessError } from './errors.ts'
import { SPLITS_PER_LOG_MAX, UNPROVEN_PER_LOG_MAX } from './limits.ts'

const VERSION = 1
const FILE_MODE = 0o644
const FOLDER_MODE = 0o755

/**
 * `split`: two roots for one size, which convicts the log by itself. `unproven`: a later checkpoint that the proof did not
 * lead to; the log may have forked, or whoever asked sent a wrong proof.
 */
export type EvidenceKind = 'split' | 'unproven'

/** A checkpoint that a log signed and that does not follow what was cosigned. */
export interface Fork {
  readonly kind: EvidenceKind
  readonly origin: string
  /** The signed note that was cosigned last; absent when a log signed a root for the empty tree that it cannot have. */
  readonly held: string | undefined
  readonly heldSize: bigint
  readonly heldRoot: Uint8Array
  /** The signed note that does not follow it. */
  readonly seen: string
  readonly seenSize: bigint
  readonly seenRoot: Uint8Array
  /** What was given to prove it. */
  readonly proof: readonly Uint8Array[]
}

/** One kept piece. */
export interface Evidence {
  /** From 1, in the order seen. */
  readonly number: number
  readonly kind: EvidenceKind
  readonly origin: string
  readonly seenAt: string
  readonly held: string | undefined
  readonly seen: string
  readonly proof: readonly string[]
}

/** What `about.json` holds. */
interface About {
  readonly version: number
  readonly kind: EvidenceKind
  readonly origin: string
  readonly seenAt: string
  readonly held: { readonly size: string; readonly root: string }
  readonly seen: { readonly size: string; readonly root: string }
  readonly proof: readonly string[]
}

export class EvidenceStore {
  readonly #folder: string
  #last: number
  /** What is there already: the same again teaches nothing. */
  readonly #known: Set<string>
  readonly #counts = new Map<string, number>()

  private constructor(folder: string, pieces: readonly { number: number; about: About }[]) {
    this.#folder = folder
    this.#last = pieces.at(-1)?.number ?? 0
    this.#known = new Set()
    for (const { about } of pieces) this.#note(about)
  }

  /** Opens the folder, which is made with the first piece. @throws {WitnessError} `WITNESS_STATE` */
  static async open(folder: string): Promise<EvidenceStore> {
    const numbers = await numbersIn(folder)
    const pieces = await Promise.all(
      numbers.map(async (number) => ({ number, about: await readAbout(folder, number) })),
    )
    return new EvidenceStore(folder, pieces)
  }

  /**
   * Keeps a piece, durable before it returns.
   * @returns its number; `known` when it is there already, `full` when its log has as many as are kept.
   * @throws {WitnessError} `WITNESS_IO`
   */
  async keep(fork: Fork, seenAt: Date): Promise<number | 'known' | 'full'> {
    const about = aboutOf(fork, seenAt)
    if (this.#known.has(handle(about))) return 'known'
    const max = fork.kind === 'split' ? SPLITS_PER_LOG_MAX : UNPROVEN_PER_LOG_MAX
    if ((this.#counts.get(counter(about)) ?? 0) >= max) return 'full'
    const number = this.#last + 1
    try {
      await this.#write(number, fork, about)
    } catch (cause) {
      throw new WitnessError('WITNESS_IO', `could not keep evidence in ${this.#folder}`, { cause })
    }
    this.#last = number
    this.#note(about)
    return number
  }

  /** A crash leaves the whole piece or none: at most a draft that the next piece removes. */
  async #write(number: number, fork: Fork, about: About): Promise<void> {
    const folder = this.#folder
    await mkdir(folder, { recursive: true, mode: FOLDER_MODE })
    await removeDrafts(folder)
    const draft = await mkdtemp(join(folder, 'draft-'))
    if (fork.held !== undefined) await writeSynced(join(draft, 'held'), fork.held)
    await writeSynced(join(draft, 'seen'), fork.seen)
    await writeSynced(join(draft, 'about.json'), `${JSON.stringify(about, undefined, 2)}\n`)
    await syncDirectory(draft)
    // A folder that is not empty is never replaced by a rename.
    await rename(draft, join(folder, nameOf(number)))
    await syncDirectory(folder)
    await syncDirectory(join(folder, '..'))
  }

  #note(about: About): void {
    this.#known.add(handle(about))
    this.#counts.set(counter(about), (this.#counts.get(counter(about)) ?? 0) + 1)
  }
}

/** Reads all that was kept, in the order seen; nothing when nothing was. @throws {WitnessError} `WITNESS_STATE` */
export async function* readEvidence(folder: string): AsyncGenerator<Evidence> {
  for (const number of await numbersIn(folder)) yield await readPiece(folder, number)
}

/** Reads one piece. @throws {WitnessError} `WITNESS_STATE`, also when it is not there. */
export async function readPiece(folder: string, number: number): Promise<Evidence> {
  const { kind, origin, seenAt, proof } = await readAbout(folder, number)
  const piece = join(folder, nameOf(number))
  const [held, seen] = await Promise.all([
    readFile(join(piece, 'held'), 'utf8').catch(absent),
    readFile(join(piece, 'seen'), 'utf8').catch((cause: unknown) => unreadable(piece, cause)),
  ])
  return { number, kind, origin, seenAt, held, seen, proof }
}

/** Where the evidence of a witness lies. */
export function evidenceFolder(statePath: string): string {
  return `${statePath}.evidence`
}

/** The numbers of the pieces that are there, in order. */
export async function numbersIn(folder: string): Promise<number[]> {
  let names: string[] | undefined
  try {
    names = await readdir(folder).catch(absent)
  } catch (cause) {
    throw new WitnessError(
      'WITNESS_STATE',
      `could not read the evidence in ${folder}: ${messageOf(cause)}`,
      { cause, hint: DISK_HINT },
    )
  }
  return (names ?? [])
    .filter((name) => /^\d{6}$/.test(name))
    .map(Number)
    .toSorted((a, b) => a - b)
}

async function removeDrafts(folder: string): Promise<void> {
  const drafts = (await readdir(folder)).filter((name) => name.startsWith('draft-'))
  for (const name of drafts) await rm(join(folder, name), { recursive: true, force: true })
}

async function readAbout(folder: string, number: number): Promise<About> {
  const path = join(folder, nameOf(number), 'about.json')
  try {
    const about: unknown = JSON.parse(await readFile(path, 'utf8'))
    if (!isAbout(about)) throw new Error(`it is not of version ${VERSION}`)
    return about
  } catch (cause) {
    return unreadable(path, cause)
  }
}

function isAbout(value: unknown): value is About {
  if (!isObject(value) || value['version'] !== VERSION) return false
  const { kind, origin, seenAt, held, seen, proof } = value
  return (
    (kind === 'split' || kind === 'unproven') &&
    [origin, seenAt].every((text) => typeof text === 'string') &&
    [held, seen].every((tree) => isObject(tree) && typeof tree['root'] === 'string') &&
    Array.isArray(proof)
  )
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', FILE_MODE)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

function aboutOf(fork: Fork, seenAt: Date): About {
  const { kind, origin } = fork
  return {
    version: VERSION,
    kind,
    origin,
    seenAt: seenAt.toISOString(),
    held: { size: String(fork.heldSize), root: encodeBase64(fork.heldRoot) },
    seen: { size: String(fork.seenSize), root: encodeBase64(fork.seenRoot) },
    proof: fork.proof.map(encodeBase64),
  }
}

/** The same two trees contradict each other once, whoever shows them and with whatever proof. */
function handle({ kind, origin, held, seen }: About): string {
  return JSON.stringify([kind, origin, kind === 'split' ? '' : held.root, seen.size, seen.root])
}

function counter({ kind, origin }: About): string {
  return `${kind} ${origin}`
}

function nameOf(number: number): string {
  return String(number).padStart(6, '0')
}

function absent(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error
  return undefined
}

function unreadable(path: string, cause: unknown): never {
  throw new WitnessError('WITNESS_STATE', `could not read ${path}: ${messageOf(cause)}`, {
    cause,
    hint: 'evidence is never repaired: move the damaged piece aside, and keep it',
  })
}
