/** Reads along what a command prints. */
import type { Io, Output } from '../terminal.ts'

export interface CapturedIo extends Io {
  readonly out: () => string
  readonly err: () => string
}

export function captureIo(terminal: Partial<Output> = {}): CapturedIo {
  const written = { stdout: '', stderr: '' }
  const output = (name: 'stdout' | 'stderr'): Output => ({
    ...terminal,
    write: (text) => (written[name] += text),
  })
  return {
    stdout: output('stdout'),
    stderr: output('stderr'),
    out: () => written.stdout,
    err: () => written.stderr,
  }
}
