/** A bar on a terminal while something long goes on; nothing in a pipe. */
import type { Io } from './terminal.ts'

const EVERY_MS = 100
const CELLS = 30

export interface Progress {
  show(done: number, size: number): void
  /** Clears the line, so that what is said next stands alone. */
  end(): void
}

export function openCopyProgress(io: Io): Progress {
  let shownMs = 0
  return {
    show(done, size) {
      const nowMs = performance.now()
      if (io.stderr.isTTY !== true || nowMs - shownMs < EVERY_MS) return
      shownMs = nowMs
      const cells = Math.floor((CELLS * done) / Math.max(1, size))
      const bar = '#'.repeat(cells) + '.'.repeat(CELLS - cells)
      io.stderr.write(
        `\r[${bar}] ${done.toLocaleString('en-US')} of ${size.toLocaleString('en-US')} records`,
      )
    },
    end() {
      if (shownMs > 0) io.stderr.write('\r\u001b[K')
      shownMs = 0
    },
  }
}
