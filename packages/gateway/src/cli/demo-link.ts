/** The name by which commands of the same user find the demo that runs: a symbolic link to its folder. */
import { lstat, readlink, symlink, unlink } from 'node:fs/promises'
import { demoLink } from './config-place.ts'

/**
 * Makes the name lead to a folder; of two demos the later one has it.
 * @returns whether it does, and what takes the name away again. A name that another user holds stays theirs.
 */
export async function linkDemo(
  folder: string,
): Promise<{ readonly isLinked: boolean; remove(): Promise<void> }> {
  const link = demoLink()
  if (link === undefined || !(await clear(link))) return { isLinked: false, remove: nothing }
  await symlink(folder, link)
  return {
    isLinked: true,
    async remove() {
      if ((await targetOf(link)) === folder) await unlink(link)
    },
  }
}

async function nothing(): Promise<void> {
  // There is nothing to take away.
}

/** Whether the name is free now. */
async function clear(link: string): Promise<boolean> {
  const found = await lstat(link).catch(() => undefined)
  if (found === undefined) return true
  if (!found.isSymbolicLink() || found.uid !== process.getuid?.()) return false
  await unlink(link)
  return true
}

async function targetOf(link: string): Promise<string | undefined> {
  return await readlink(link).catch(() => undefined)
}
