/** `countersign tail QUESTION`: transactions that fit, as they end, by the API's live stream. */
import { findApi } from '../api-place.ts'
import type { ApiOptions } from '../api-place.ts'
import { openApi } from '../api-client.ts'
import type { Asker } from '../api-client.ts'
import { liveRows } from '../api-questions.ts'
import { openRowTable } from '../row-table.ts'
import { onStopSignal } from '../signals.ts'
import { DONE, printJson, say } from '../terminal.ts'
import type { Io } from '../terminal.ts'

export interface FilteredTail extends ApiOptions, Asker {
  readonly question: string
  readonly json?: boolean | undefined
}

/** Runs until it is stopped. */
export async function tailFiltered(wanted: FilteredTail, io: Io): Promise<number> {
  const api = openApi(await findApi(wanted), { asker: wanted })
  const stop = new AbortController()
  const forget = onStopSignal(() => stop.abort())
  const table = openRowTable(io, Date.now())
  try {
    const { question, json } = wanted
    const rows = liveRows(api, {
      question,
      signal: stop.signal,
      onOpen: () => say(io, 'countersign: following what fits the question (Ctrl-C ends)'),
      onGap: () => say(io, `countersign: warning: some were left out: ${howToGoOn}`),
    })
    for await (const row of rows) {
      if (json === true) printJson(io, row)
      else table.show(row)
    }
    if (!stop.signal.aborted) say(io, 'countersign: warning: the reader ended the stream')
    return DONE
  } catch (error) {
    // Ctrl-C while it waits is how one ends it.
    if (stop.signal.aborted) return DONE
    throw error
  } finally {
    forget()
    api.close()
  }
}

const howToGoOn = "'countersign search' finds them"
