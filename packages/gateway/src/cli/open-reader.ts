/**
 * Opens the reader as a process's work. It yields to everything else on the machine: the write side goes first. An index that was made
 * anew ends it, and it is started again with that one.
 */
import { constants, setPriority } from 'node:os'
import type { LoadedConfig } from '../config.ts'
import { hasRebuilt, startReader } from '../reader.ts'
import type { Opened } from './commands/processes.ts'
import { program } from './program.ts'
import { openReloader, watchFiles } from './reloader.ts'
import { say } from './terminal.ts'
import type { Io } from './terminal.ts'

/** How often it looks whether `reindex` has made an index. */
const LOOK_MS = 1000

export async function openReader(loaded: LoadedConfig, io: Io): Promise<Opened> {
  // A machine that forbids it is no reason not to run.
  yieldToOthers(io)
  const reader = await startReader({ loaded, program: program() })
  const reloader = openReloader({ name: 'reader', ...reader }, loaded, io)
  const watching = watchFiles(loaded, reloader)
  const { promise: ended, resolve } = Promise.withResolvers<void>()
  const looking = setInterval(() => {
    if (!hasRebuilt(loaded)) return
    clearInterval(looking)
    say(io, 'countersign: the index was made anew: the reader ends, to be started again with it')
    resolve()
  }, LOOK_MS)
  return {
    listening: { api: reader.url },
    ended,
    reload: () => reloader.asked(),
    async close() {
      clearInterval(looking)
      watching.close()
      await reloader.close()
      await reader.close()
    },
  }
}

function yieldToOthers(io: Io): void {
  try {
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL)
  } catch (error) {
    say(io, `countersign: warning: could not lower the reader's priority: ${String(error)}`)
  }
}
