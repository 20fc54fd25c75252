/** The logs that a reader follows: the one of its own machine, with the addenda beside it, and those that the configuration names. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseVkey } from '@countersign/tlog/key'
import type { VerifierKey } from '@countersign/tlog/key'
import type { LoadedConfig } from '../config.ts'
import { openLocalAddenda, openUnsealingOf, publishedAddenda } from '../contents.ts'
import type { AddendumStore } from '../contents.ts'
import { sha256 } from '../cryptography.ts'
import { isUrl, openLogSource } from '../follow.ts'
import type { PublishedLog } from '../follow.ts'
import { messageOf, ReaderError } from './errors.ts'

/** One log, open. */
export interface FollowedLog extends PublishedLog {
  /** As its key names it. */
  readonly origin: string
  readonly addenda: AddendumStore
  /** Whether it is the log that this reader's own records go to. */
  readonly isOwn: boolean
  close(): void
}

/** The public keys of the log, beside the configuration. */
const VKEY_FILE = 'log.vkey'

/** @throws {ReaderError} `READER_LOG`; {FollowError} `FOLLOW_UNREADABLE` */
export async function openLogs(loaded: LoadedConfig): Promise<FollowedLog[]> {
  const logs = [await openOwnLog(loaded)]
  for (const { place, vkey } of loaded.config.reader.logs) {
    const source = await openLogSource(isUrl(place) ? place : loaded.resolve(place))
    const keys = await readKeys(loaded.resolve(vkey))
    const origin = originOf(keys)
    if (logs.some((log) => log.origin === origin)) {
      throw new ReaderError('READER_LOG', `could not follow ${place}: it is ${origin} once more`, {
        hint: 'each log of a reader has a name of its own: look at reader.logs and its vkey',
      })
    }
    logs.push({
      source,
      keys,
      origin,
      // Another gateway's keys are not here: of its records only what was never sealed can be read.
      addenda: publishedAddenda(source),
      isOwn: false,
      close: () => source.close(),
    })
  }
  return logs
}

async function openOwnLog(loaded: LoadedConfig): Promise<FollowedLog> {
  const dataDir = loaded.resolve(loaded.config.data)
  const source = await openLogSource(join(dataDir, 'log'))
  const keys = await readKeys(join(loaded.baseDir, VKEY_FILE))
  const log = { source, keys, origin: originOf(keys) }
  const addenda = openLocalAddenda(dataDir, log, await openUnsealingOf(loaded))
  return {
    ...log,
    addenda,
    isOwn: true,
    close() {
      addenda.close()
      source.close()
    },
  }
}

/** All keys of a log bear its name. */
function originOf([key]: readonly VerifierKey[]): string {
  return key?.name ?? ''
}

/** One a line. */
async function readKeys(file: string): Promise<VerifierKey[]> {
  try {
    const lines = (await readFile(file, 'utf8')).split('\n').map((line) => line.trim())
    const keys = lines
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => parseVkey(line, sha256))
    if (keys.length === 0) throw new Error('it holds no key')
    return keys
  } catch (cause) {
    throw new ReaderError('READER_LOG', `could not use the keys in ${file}: ${messageOf(cause)}`, {
      cause,
      hint: 'a vkey is one line, <name>+<8 hex digits>+<base64>, which whoever runs the log publishes',
    })
  }
}
