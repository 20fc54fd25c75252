/** Copies of logs for tests: a folder for one, a round over it, and what must hold after it. */
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tilesForSize, tilePath } from '@countersign/tlog/tile'
import type { FollowError } from '../errors.ts'
import type { LogSource } from '../log-source.ts'
import { mirrorLog } from '../mirror-log.ts'
import type { MirroredRound, MirrorLogOptions } from '../mirror-log.ts'
import type { LogFolder } from './log-folder.ts'

export const PATIENCE = { triesMax: 2, pauseMs: 1, pauseMsMax: 1 }

export interface Copy extends AsyncDisposable {
  readonly folder: string
}

export async function openCopy(): Promise<Copy> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-mirror-'))
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}

export function entriesOf(from: number, to: number, what = 'entry'): Uint8Array[] {
  return Array.from({ length: to - from }, (_, nth) => Buffer.from(`${what} ${from + nth}\n\0`))
}

/** One round over the files of a folder, or of a server that serves them. */
export async function copyOnce(
  log: LogFolder,
  copy: Copy,
  options: Partial<MirrorLogOptions> & { source?: LogSource } = {},
): Promise<MirroredRound> {
  const { source, ...others } = options
  let last: MirroredRound | undefined
  await mirrorLog({
    folder: copy.folder,
    log: source === undefined ? log.log : { ...log.log, source },
    addenda: false,
    once: true,
    signal: new AbortController().signal,
    patience: PATIENCE,
    onRound: (round) => (last = round),
    onTrouble: () => assert.fail('once means once'),
    ...others,
  })
  assert.ok(last)
  return last
}

/** Every file that a tree of this size needs is in the copy, byte for byte, and the checkpoint is the log's. */
export async function assertCopied(log: LogFolder, copy: Copy, size: number): Promise<void> {
  for (const tile of tilesForSize(size)) {
    const path = tilePath(tile)
    const [ours, theirs] = await Promise.all([
      readFile(join(copy.folder, 'log', path)),
      readFile(join(log.folder, path)),
    ])
    assert.ok(ours.equals(theirs), path)
  }
  assert.equal(
    await checkpointOf(copy.folder),
    await readFile(join(log.folder, 'checkpoint'), 'utf8'),
  )
}

export async function checkpointOf(folder: string): Promise<string | undefined> {
  return await readFile(join(folder, 'log/checkpoint'), 'utf8').catch(() => undefined)
}

/** Nothing that the copy holds is other than what the log really has. */
export async function assertNothingFalse(log: LogFolder, copy: Copy): Promise<void> {
  const files = await readdir(join(copy.folder, 'log'), { recursive: true, withFileTypes: true })
  for (const file of files.filter((one) => one.isFile() && one.name !== 'checkpoint')) {
    const path = join(file.parentPath, file.name)
    const real = path.replace(join(copy.folder, 'log'), log.folder)
    assert.ok((await readFile(path)).equals(await readFile(real)), path)
  }
}

export async function refusal(work: Promise<unknown>): Promise<FollowError> {
  return await work.then(
    () => assert.fail('it was not refused'),
    (error: FollowError) => error,
  )
}
