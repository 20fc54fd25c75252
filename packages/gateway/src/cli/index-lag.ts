import type { Api } from './api-client.ts'
import { behindLogs } from './api-questions.ts'
import { CommandError } from './errors.ts'
import { counted, escapeText, say } from './terminal.ts'
import type { Io } from './terminal.ts'

/** Less is the time in which what just happened is read: every question is itself a record. */
const LAG_TOLD_MS = 1000

/** Says on stderr where the index lacks the end of a log: what was found is then not all that is on record. */
export async function tellBehind(api: Api, io: Io): Promise<void> {
  const logs = await behindLogs(api).catch((error: unknown) => {
    // The answer stands without it: who may not ask how far the index is was answered all the same.
    if (error instanceof CommandError) return []
    throw error
  })
  for (const { origin, records, lagMs, problem } of logs) {
    if (problem !== undefined)
      say(
        io,
        `countersign: warning: the index no longer follows ${escapeText(origin)}: ${escapeText(problem)}`,
      )
    else if (lagMs >= LAG_TOLD_MS)
      say(
        io,
        `countersign: the index is ${counted(records, 'record')} (${Math.round(lagMs / 1000)} s) behind ${escapeText(logs.length > 1 ? origin : 'the log')}`,
      )
  }
}
