import { mkdir, readFile, readdir } from 'node:fs/promises'
import { encodeDraft } from '@countersign/record/encode'
import { openIds } from '@countersign/record/id'
import type { Lifecycle } from '@countersign/record/leaf'
import { checkKeyName } from '@countersign/tlog/key'
import { sha256 } from '../cryptography.ts'
import { syncDirectory, writeDurably } from '../platform.ts'
import type { Clock } from '../platform.ts'
import { putEntry, sectionBytes } from './entries.ts'
import { LedgerError, systemError } from './errors.ts'
import { layoutOf, PRIVATE_FILE_MODE, PRIVATE_FOLDER_MODE } from './layout.ts'
import type { Layout } from './layout.ts'
import { ledgerDraft } from './lifecycle-draft.ts'
import { recover } from './recovery.ts'
import { Sequencer } from './sequencer.ts'

const VERSION = 1

/** Bytes of the first segment of a log that begins with a record; the ledger goes on in its own size. */
const FIRST_SEGMENT_BYTES = 256 * 1024

/** The log that a new one continues, as its last checkpoint says, and when that is put on record. */
export interface Continues {
  readonly rotation: Omit<Extract<Lifecycle, { kind: 'rotation' }>, 'kind'>
  readonly clock: Clock
}

/**
 * Creates a log, empty or with its first record: a separate act from opening one, so that a lost folder is never mistaken for a
 * new log.
 * @param options.origin the name of the log, for ever: no spaces, no "+".
 * @param options.continues makes a rotation record the first of the log.
 * @throws {LedgerError} `LEDGER_EXISTS` when the folder already holds a log, or pieces of one; `LEDGER_IO`. {RecordError} for a
 * checkpoint that no record can hold.
 */
export async function createLog({
  dataDir,
  origin,
  continues,
}: {
  dataDir: string
  origin: string
  continues?: Continues | undefined
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
  if (continues !== undefined) await writeRotation(layout, origin, continues)
  // Last: a crash before this leaves no log, at most pieces that are refused, and creating starts over elsewhere.
  await writeDurably(layout.identity, `${JSON.stringify({ version: VERSION, origin })}\n`, {
    mode: PRIVATE_FILE_MODE,
  })
}

/** The first record, durable in the write-ahead log; the first start of the ledger has it signed and publishes it. */
async function writeRotation(
  layout: Layout,
  origin: string,
  { rotation, clock }: Continues,
): Promise<void> {
  const id = openIds({ nowMs: () => Number(clock.nowNs() / 1_000_000n) })
  const draft = ledgerDraft(id(), clock.nowNs(), { kind: 'rotation', ...rotation })
  const { entry } = encodeDraft(draft, { session: id(), seq: 0 }, sha256)
  const recovered = await recover(layout, {
    origin,
    logKeys: [],
    segmentBytes: FIRST_SEGMENT_BYTES,
  })
  const entries = Buffer.alloc(sectionBytes(entry, []))
  putEntry(entries, 0, entry)
  const group = { count: 1, entries, addenda: Buffer.alloc(0), committed: () => undefined }
  new Sequencer(recovered, { batchBytesMax: FIRST_SEGMENT_BYTES }).commit([group])
  await recovered.wal.close()
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
