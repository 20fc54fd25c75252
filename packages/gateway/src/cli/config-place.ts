/** Which configuration is meant: the one that is named, else the one here, else that of this user's running demo. */
import { lstat, readlink, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

/** Where the configuration is when nobody says. */
export const DEFAULT_CONFIG = 'countersign.yaml'

/** What is looked around in: this machine, unless a test says otherwise. */
export interface Surroundings {
  readonly cwd: string
  readonly tmp: string
  /** Absent where users have no numbers; then no demo is looked for. */
  readonly uid: number | undefined
}

export const here: Surroundings = { cwd: '.', tmp: tmpdir(), uid: process.getuid?.() }

/** @returns undefined where none is named, none is here, and no demo of this user is running */
export async function findConfig(
  named: string | undefined,
  surroundings: Surroundings = here,
): Promise<string | undefined> {
  const file = resolve(surroundings.cwd, named ?? DEFAULT_CONFIG)
  if (named !== undefined || (await isThere(file))) return file
  const demo = await demoFolder(surroundings)
  return demo === undefined ? undefined : join(demo, DEFAULT_CONFIG)
}

/** Where the running demo of a user is found: a symbolic link to its folder. */
export function demoLink({ tmp, uid }: Pick<Surroundings, 'tmp' | 'uid'> = here):
  | string
  | undefined {
  return uid === undefined ? undefined : join(tmp, `countersign-demo-${uid}`)
}

async function demoFolder(surroundings: Surroundings): Promise<string | undefined> {
  const link = demoLink(surroundings)
  if (link === undefined) return undefined
  // Attacker-controlled: anyone may have put this name into a folder that all write to. What is not this user's is not there.
  const found = await lstat(link).catch(() => undefined)
  if (found?.isSymbolicLink() !== true || found.uid !== surroundings.uid) return undefined
  const folder = resolve(surroundings.tmp, await readlink(link))
  const target = await lstat(folder).catch(() => undefined)
  return target?.isDirectory() === true && target.uid === surroundings.uid ? folder : undefined
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined
}
