import { randomBytes } from 'node:crypto'
import { open, rename, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** How a file is put in place. */
export interface PlaceOptions {
  /** File permissions, 0644 by default. */
  mode?: number
  /** Folder of the same file system for the temporary file; beside the target by default. */
  temporary?: string
}

/**
 * Writes a whole file so that a crash leaves either the old content or the new, and the new one stays: a temporary file,
 * fsync, rename, fsync of the folder. The folder must exist.
 * @throws the error of the operating system; the temporary file is removed when possible.
 */
export async function writeDurably(
  path: string,
  bytes: Uint8Array | string,
  options: PlaceOptions = {},
): Promise<void> {
  await replaceFile(path, bytes, options)
  await syncDirectory(dirname(path))
}

/** As `writeDurably`, but the caller syncs the folder: once for many files. */
export async function replaceFile(
  path: string,
  bytes: Uint8Array | string | AsyncIterable<Uint8Array>,
  { mode = 0o644, temporary = dirname(path) }: PlaceOptions = {},
): Promise<void> {
  const draft = join(temporary, `${basename(path)}.${randomBytes(6).toString('hex')}.tmp`)
  try {
    const file = await open(draft, 'wx', mode)
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(draft, path)
  } catch (error) {
    await unlink(draft).catch(() => undefined)
    throw namingFile(error, path)
  }
}

/** Makes the names in a folder durable: a new, renamed or removed file survives a crash only after this. */
export async function syncDirectory(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } catch (error) {
    throw namingFile(error, path)
  } finally {
    await folder.close()
  }
}

/** An error that says which file: the system's own does so for open and rename, and not for write, sync and close. */
function namingFile(error: unknown, path: string): unknown {
  if (error instanceof Error && 'syscall' in error && !error.message.includes(path))
    error.message += ` '${path}'`
  return error
}
