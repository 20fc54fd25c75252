import { mkdir, readFile, readdir } from 'node:fs/promises'
import { checkKeyName } from '@countersign/tlog/key'
import { syncDirectory, writeDurably } from '../platform.ts'
import { LedgerError, systemError } from './errors.ts'
import { layoutOf, PRIVATE_FILE_MODE, PRIVATE_FOLDER_MODE } from './layout.ts'
import type { Layout } from './layout.ts'

const VERSION = 1

/**
 * Creates an empty log: a separate act from opening one, so that a lost folder is never mistaken for a new log.
 * @param options.origin the name of the log, for ever: no spaces, no "+".
 * @throws {LedgerError} `LEDGER_EXISTS` when the folder already holds a log, or pieces of one.
 */
export async function createLog({
  dataDir,
  origin,
}: {
  dataDir: string
  origin: string
}): Promise<void> {
  checkKeyName(origin)
  const layout = layoutOf(dataDir)
  await mkdir(dataDir, { recursive: true })
  if (await holdsLog(layout)) {
    throw new LedgerError(
      'LEDGER_EXISTS',
      `could not create a log in ${dataDir}: there is one already`,
      {
        hint: 'choose another folder; a log is never created over another',
      },
    )
  }
  await mkdir(layout.log, { recursive: true })
  for (const folder of [layout.addenda, layout.wal, layout.run, layout.temporary]) {
    await mkdir(folder, { recursive: true, mode: PRIVATE_FOLDER_MODE })
  }
  await syncDirectory(dataDir)
  // Last: a crash before this leaves empty folders, and creating starts over.
  await writeDurably(layout.identity, `${JSON.stringify({ version: VERSION, origin })}\n`, {
    mode: PRIVATE_FILE_MODE,
  })
}

/**
 * Checks that the folder holds the log of `origin`.
 * @throws {LedgerError} `LEDGER_MISSING`, also when it is the log of another origin.
 */
export async function checkIdentity(layout: Layout, origin: string): Promise<void> {
  const hint = 'run countersign init to create a log'
  let text: string
  try {
    text = await readFile(layout.identity, 'utf8')
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'ENOENT')) {
      const what = `could not open the log: ${layout.identity}`
      throw systemError('LEDGER_IO', what, cause)
    }
    throw new LedgerError(
      'LEDGER_MISSING',
      `could not open the log: there is none in ${layout.dataDir}`,
      { cause, hint },
    )
  }
  if (text !== `${JSON.stringify({ version: VERSION, origin })}\n`) {
    throw new LedgerError(
      'LEDGER_MISSING',
      `could not open the log: ${layout.identity} does not name version ${VERSION} of ${origin}`,
      {
        hint: 'check origin and data in countersign.yaml',
      },
    )
  }
}

async function holdsLog({ dataDir, log, wal, addenda }: Layout): Promise<boolean> {
  if ((await readdir(dataDir)).includes('ledger.json')) return true
  for (const folder of [log, wal, addenda]) {
    const names = await readdir(folder).catch(() => [])
    if (names.length > 0) return true
  }
  return false
}
