import { randomBytes } from 'node:crypto'
import { open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Writes a whole file so that a crash leaves either the old content or the new, and the new one stays: a temporary file
 * beside it, fsync, rename, fsync of the folder. The folder must exist.
 * @param options.mode file permissions, 0644 by default.
 * @throws the error of the operating system; the temporary file is removed when possible.
 */
export async function writeDurably(
  path: string,
  bytes: Uint8Array | string,
  options: { mode?: number } = {},
): Promise<void> {
  await replaceFile(path, bytes, options)
  await syncDirectory(dirname(path))
}

/** As `writeDurably`, but the caller syncs the folder: once for many files. */
export async function replaceFile(
  path: string,
  bytes: Uint8Array | string,
  { mode = 0o644 }: { mode?: number } = {},
): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const file = await open(temporary, 'wx', mode)
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await unlink(temporary).catch(() => undefined)
    throw error
  }
}

/** Makes the names in a folder durable: a new, renamed or removed file survives a crash only after this. */
export async function syncDirectory(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
