/** Reads the configuration again when somebody asks for it, when its file changes, and when a key was made or revoked. */
import { existsSync, watch } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { loadConfig } from '../config.ts'
import type { LoadedConfig } from '../config.ts'
import { sha256Hex } from '../cryptography.ts'
import { messageOf } from './errors.ts'
import { say, sayError } from './terminal.ts'
import type { Io } from './terminal.ts'

/** Editors write a file in several steps: it is read when they have been quiet for so long. */
const QUIET_MS = 100

/** What runs by a configuration, and can go on by another. */
export interface Reloadable {
  /** For people: which process it is. */
  readonly name: 'gateway' | 'reader'
  /** A version that cannot be built changes nothing, and throws. */
  reload(loaded: LoadedConfig): Promise<void>
  /** Puts on record that a version was refused; the one in force stays. @param sha256 of the file, hex */
  refused(sha256: string, cause: unknown): Promise<void>
}

export interface Reloader {
  /** The file may have changed. */
  changed(): void
  /** A key was made or revoked: what was revoked must not wait for somebody to ask. */
  keysChanged(): void
  /** Somebody wants it read again, changed or not: keys and certificates may have. */
  asked(): void
  close(): Promise<void>
}

/** One reload at a time, in the order they were wanted. */
export function openReloader(running: Reloadable, loaded: LoadedConfig, io: Io): Reloader {
  let seen = loaded.sha256
  let last: Promise<void> = Promise.resolve()
  let timer: NodeJS.Timeout | undefined
  const enqueue = (anyway: boolean): void => {
    last = last.then(async () => {
      const sha256 = await readFile(loaded.path).then(sha256Hex, () => 'unreadable')
      if (!anyway && sha256 === seen) return
      seen = sha256
      await reload(running, { path: loaded.path, sha256 }, io)
    })
  }
  let always = false
  const soon = (): void => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      enqueue(always)
      always = false
    }, QUIET_MS)
  }
  return {
    changed: soon,
    keysChanged() {
      always = true
      soon()
    },
    asked: () => enqueue(true),
    close() {
      clearTimeout(timer)
      return last
    },
  }
}

async function reload(
  running: Reloadable,
  file: { path: string; sha256: string },
  io: Io,
): Promise<void> {
  try {
    const next = await loadConfig(file.path)
    await running.reload(next)
    say(
      io,
      `countersign: the configuration is in force for the ${running.name} (sha256 ${next.sha256.slice(0, 12)})`,
    )
  } catch (error) {
    // Loud, on record, and without effect: the version in force stays.
    sayError(io, error)
    say(
      io,
      `countersign: warning: the configuration before it stays in force for the ${running.name}`,
    )
    await running.refused(file.sha256, error).catch((cause: unknown) => {
      say(
        io,
        `countersign: warning: could not record the refused configuration: ${messageOf(cause)}`,
      )
    })
  }
}

/** Editors replace a file rather than write into it, so folders are watched: of the configuration, and of the key files. */
export function watchFiles(loaded: LoadedConfig, reloader: Reloader): { close(): void } {
  const keyFiles = keyFilesOf(loaded)
  const watchers = [...new Set([loaded.path, ...keyFiles].map((path) => dirname(path)))]
    .filter((folder) => existsSync(folder))
    .map((folder) =>
      watch(folder, (_event, changed) => {
        const path = changed === null ? undefined : join(folder, changed)
        if (path !== undefined && keyFiles.has(path)) reloader.keysChanged()
        else if (path === undefined || path === loaded.path) reloader.changed()
      }),
    )
  return {
    close() {
      for (const watcher of watchers) watcher.close()
    },
  }
}

function keyFilesOf(loaded: LoadedConfig): ReadonlySet<string> {
  const { config } = loaded
  const inbound = config.identities.flatMap((identity) =>
    'keys' in identity ? [identity.keys] : [],
  )
  const egress = Object.values(config.services).flatMap(
    (service) => service.egress?.credentials ?? [],
  )
  return new Set([...inbound, ...egress].map((path) => loaded.resolve(path)))
}
