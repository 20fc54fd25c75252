/** `countersign reindex`: makes the index anew from the logs, beside the one in use; on a server in its place. */
import { loadConfig } from '../../config.ts'
import { reindex as makeIndex } from '../../reader.ts'
import { readArguments } from '../arguments.ts'
import { DEFAULT_CONFIG } from '../log-place.ts'
import { openCopyProgress } from '../progress.ts'
import { onStopSignal } from '../signals.ts'
import { ANSWER_IS_NO, counted, DONE, printJson, say } from '../terminal.ts'
import type { Command } from '../terminal.ts'

/** `countersign reindex`. */
export const reindex: Command = async (args, io) => {
  const { values } = readArguments(args, {
    command: 'reindex',
    options: {
      config: { type: 'string', short: 'c', default: DEFAULT_CONFIG },
      json: { type: 'boolean' },
    },
  })
  const loaded = await loadConfig(values.config)
  const isOnServer = loaded.config.reader.index !== undefined
  const stop = new AbortController()
  const forget = onStopSignal(() => stop.abort())
  const progress = openCopyProgress(io)
  const beganMs = performance.now()
  try {
    const made = await makeIndex(loaded, {
      signal: stop.signal,
      onProgress: ({ done, size }) => progress.show(done, size),
    })
    progress.end()
    if (made === undefined) {
      say(
        io,
        isOnServer
          ? 'countersign: stopped: the index ends earlier, and the reader reads on from there'
          : 'countersign: stopped: the index is the one that it was',
      )
      return ANSWER_IS_NO
    }
    const seconds = (performance.now() - beganMs) / 1000
    if (values.json === true) printJson(io, { ...made, seconds })
    else {
      const { transactions, records, logs } = made
      say(
        io,
        `countersign: ${counted(transactions, 'transaction')} out of ${counted(records, 'record')} of ${counted(logs, 'log')} in ${seconds.toFixed(1)} s`,
      )
      say(
        io,
        isOnServer
          ? 'countersign: the reader goes on with it when it is started'
          : 'countersign: the reader takes the new index within seconds, or when it is started',
      )
    }
    return DONE
  } finally {
    progress.end()
    forget()
  }
}
