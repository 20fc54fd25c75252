/** Where things lie below the data folder. `log/` is public; everything else is private to the ledger. */
import { join } from 'node:path'

/** Modes of what is private: entries before publication, and addenda, which hold personal data in clear. */
export const PRIVATE_FILE_MODE = 0o600
export const PRIVATE_FOLDER_MODE = 0o700

/** Records of 256 leaves share one pack, like one entry bundle. */
export const PACK_LEAVES = 256

export interface Layout {
  readonly dataDir: string
  /** A valid tlog-tiles prefix: any web server may publish it. */
  readonly log: string
  readonly checkpoint: string
  readonly addenda: string
  readonly wal: string
  readonly run: string
  readonly socket: string
  readonly lock: string
  /** Files on their way into place; emptied at start. */
  readonly temporary: string
  /** Written last by `createLog`: without it there is no log. */
  readonly identity: string
}

/** The layout of a data folder. */
export function layoutOf(dataDir: string): Layout {
  return {
    dataDir,
    log: join(dataDir, 'log'),
    checkpoint: join(dataDir, 'log', 'checkpoint'),
    addenda: join(dataDir, 'addenda'),
    wal: join(dataDir, 'wal'),
    run: join(dataDir, 'run'),
    socket: join(dataDir, 'run', 'ledger.sock'),
    lock: join(dataDir, 'run', 'ledger.lock'),
    temporary: join(dataDir, 'run', 'tmp'),
    identity: join(dataDir, 'ledger.json'),
  }
}

/** The file name of WAL segment `number`, from 1. */
export function segmentName(number: number): string {
  return `${String(number).padStart(16, '0')}.wal`
}

/** The number in a segment's file name, or undefined for any other file. */
export function segmentNumber(name: string): number | undefined {
  return /^[0-9]{16}\.wal$/.test(name) ? Number(name.slice(0, 16)) : undefined
}

/** The path of pack `group` (leaves 256 * group and on) below `addenda/`: `x001/234.pack`, in groups of three digits. */
export function packPath(group: number): string {
  let path = `${String(group % 1000).padStart(3, '0')}.pack`
  for (let rest = Math.floor(group / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    path = `x${String(rest % 1000).padStart(3, '0')}/${path}`
  }
  return path
}
