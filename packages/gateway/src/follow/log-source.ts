/**
 * Where the files of a published log come from: a folder or a web server. Untrusted either way: whoever reads must hash.
 */
import { watch } from 'node:fs'
import type { FSWatcher } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { FollowError, messageOf } from './errors.ts'

/** A published log as a place to read files from. */
export interface LogSource {
  /** The folder or URL, for messages. */
  readonly name: string
  /**
   * @param bytesMax a larger file is refused before it is read to its end; that of the largest bundle by default.
   * @returns the bytes, or nothing when there is no such file.
   * @throws {FollowError} `FOLLOW_UNREADABLE`
   */
  read(path: string, bytesMax?: number): Promise<Uint8Array | undefined>
  /** Resolves when the log may have grown, after a second at most, or at once when `signal` aborts. */
  changed(signal: AbortSignal): Promise<void>
  close(): void
}

/** How often a log is looked at when nothing says that it grew. */
const LOOK_INTERVAL_MS = 1000

/** A web server that has not answered in whole for so long is given up. */
const FETCH_TIMEOUT_MS = 20_000

/** The largest file of a log: 256 entries of 65,535 bytes, each with its length. */
const FILE_BYTES_MAX = 256 * (65_535 + 2)

/** How a log is read. */
export interface LogSourceOptions {
  /** For one file of a web server, from the request to its last byte. */
  readonly timeoutMs?: number
}

export function isUrl(place: string): boolean {
  return /^https?:\/\//.test(place)
}

/** @throws {FollowError} `FOLLOW_UNREADABLE` when there is no such folder */
export async function openLogSource(
  place: string,
  { timeoutMs = FETCH_TIMEOUT_MS }: LogSourceOptions = {},
): Promise<LogSource> {
  return isUrl(place) ? openUrl(place, timeoutMs) : await openFolder(resolve(place))
}

async function openFolder(folder: string): Promise<LogSource> {
  const found = await stat(folder).catch(() => undefined)
  if (found?.isDirectory() !== true) {
    throw new FollowError('FOLLOW_UNREADABLE', `could not open the log: no folder ${folder}`, {
      hint: 'name a data folder, a log folder, or the URL of a published log',
    })
  }
  let watcher: FSWatcher | undefined
  let notify: () => void = () => undefined
  return {
    name: folder,
    async read(path, bytesMax = FILE_BYTES_MAX) {
      try {
        const { size } = await stat(join(folder, path))
        if (size > bytesMax) throw new Error(`it is over ${bytesMax} bytes`)
        return await readFile(join(folder, path))
      } catch (cause) {
        if (isMissing(cause)) return undefined
        throw new FollowError(
          'FOLLOW_UNREADABLE',
          `could not read ${join(folder, path)}: ${messageOf(cause)}`,
          { cause },
        )
      }
    },
    async changed(signal) {
      // The checkpoint is replaced by renaming, which a watch on the file itself would lose.
      watcher ??= watch(folder, () => notify()).on('error', () => undefined)
      await firstOf(signal, (ready) => (notify = ready))
    },
    close: () => watcher?.close(),
  }
}

function openUrl(url: string, timeoutMs: number): LogSource {
  const base = url.endsWith('/') ? url : `${url}/`
  return {
    name: url,
    read: (path, bytesMax = FILE_BYTES_MAX) =>
      fetchFile(new URL(path, base), { bytesMax, timeoutMs }),
    changed: (signal) => firstOf(signal, () => undefined),
    close: () => undefined,
  }
}

async function fetchFile(
  url: URL,
  { bytesMax, timeoutMs }: { bytesMax: number; timeoutMs: number },
): Promise<Uint8Array | undefined> {
  try {
    const response = await fetch(url, {
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    })
    if (response.status === 404 || response.status === 410) {
      await response.body?.cancel()
      return undefined
    }
    if (!response.ok) throw new Error(`it answered ${response.status}`)
    return await readLimited(response, bytesMax)
  } catch (cause) {
    const why =
      cause instanceof Error && cause.cause instanceof Error
        ? cause.cause.message
        : messageOf(cause)
    throw new FollowError('FOLLOW_UNREADABLE', `could not read ${url.href}: ${why}`, { cause })
  }
}

function isMissing(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
}

/** Attacker-controlled: a server may answer without end. */
async function readLimited(response: Response, bytesMax: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  const body: AsyncIterable<Uint8Array> | undefined = response.body ?? undefined
  if (body === undefined) return new Uint8Array()
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > bytesMax) throw new Error(`it is over ${bytesMax} bytes`)
    pieces.push(chunk)
  }
  return Buffer.concat(pieces)
}

/** Resolves on the first of: `arm`'s callback, an aborted signal, the look interval. */
async function firstOf(signal: AbortSignal, arm: (ready: () => void) => void): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((done) => {
    const finish = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', finish)
      done()
    }
    const timer = setTimeout(finish, LOOK_INTERVAL_MS)
    signal.addEventListener('abort', finish)
    arm(finish)
  })
}
