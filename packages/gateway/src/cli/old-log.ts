/** The log that a new one is to continue: its last checkpoint, checked, and whether it is really at its end. */
import { encodeHex } from '@countersign/tlog/base64'
import { readHead } from '../follow.ts'
import { checkLedger } from '../ledger.ts'
import type { Continues } from '../ledger.ts'
import { CommandError } from './errors.ts'
import { locateLog } from './log-place.ts'
import { isInUse, WHOLE_FOLDER_MAX } from './private-files.ts'
import { say } from './terminal.ts'
import type { Io } from './terminal.ts'

/**
 * Reads the last checkpoint of a log, which must be signed by its key.
 * @throws {CommandError} `CANNOT_RUN` while the log is still written, or when it is empty; {FollowError} as `readHead`
 */
export async function readOldLog(
  { place, vkey }: { place: string; vkey: string | undefined },
  io: Io,
): Promise<Continues['rotation']> {
  const { source, keys, dataDir } = await locateLog({ place, vkey })
  try {
    if (dataDir !== undefined && (await isInUse(dataDir))) {
      throw new CommandError(
        'CANNOT_RUN',
        `could not continue ${place}: it is still being written`,
        {
          hint: 'stop its gateway first, so that its last checkpoint is its last',
        },
      )
    }
    const { origin, size, root, note } = await readHead({ source, keys })
    if (size === 0) {
      throw new CommandError('CANNOT_RUN', `could not continue ${place}: it has no records`, {
        hint: 'leave --continues away: there is nothing to continue',
      })
    }
    if (dataDir !== undefined && size <= WHOLE_FOLDER_MAX) {
      const { durable } = await checkLedger(dataDir, { addenda: 'left out' })
      if (durable > size) {
        say(
          io,
          `countersign: warning: ${durable - size} records of ${origin} are durable and were never signed; the new log does not continue them`,
        )
      }
    }
    return { origin, size, root: encodeHex(root), checkpoint: note }
  } finally {
    source.close()
  }
}
