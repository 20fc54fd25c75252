/** What the benches measure with: CPU time of process trees from /proc, percentiles, and tables for people. Linux only. */
import { readFileSync, readdirSync } from 'node:fs'

/** Linux tells user space about CPU time in units of 1/100 s, whatever the kernel's own tick is. */
const microsPerTick = 10_000

interface ProcessStat {
  readonly pid: number
  readonly parent: number
  readonly cpuMicros: number
}

function readStat(pid: number): ProcessStat | undefined {
  let line: string
  try {
    line = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    // It has ended since the directory was read.
    return undefined
  }
  // The second field is the command in brackets, and may hold spaces and brackets itself.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  const [parent, user, system] = [fields[1], fields[11], fields[12]].map(Number)
  return { pid, parent: parent ?? 0, cpuMicros: ((user ?? 0) + (system ?? 0)) * microsPerTick }
}

/**
 * User and system time that a process and all its living descendants have used so far: gateway, ledger and signer, or
 * master and workers. Threads that ended count; child processes that ended do not.
 * @returns microseconds, in steps of 10,000.
 */
export function treeCpuMicros(rootPid: number): number {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readStat(Number(name)) ?? [])
  const inside = new Set([rootPid])
  for (let grown = true; grown;) {
    const before = inside.size
    for (const { pid, parent } of all) if (inside.has(parent)) inside.add(pid)
    grown = inside.size > before
  }
  return all.reduce((sum, { pid, cpuMicros }) => sum + (inside.has(pid) ? cpuMicros : 0), 0)
}

/**
 * CPU time that the threads of one process have used so far, by the scheduler's own count: in nanoseconds, not in ticks.
 * @returns milliseconds.
 */
export function threadsCpuMs(pid: number): number {
  const tasks = `/proc/${pid}/task`
  let ns = 0
  for (const task of readdirSync(tasks))
    ns += Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0])
  return ns / 1e6
}

/**
 * How long the main thread of a process was ready to run and had no processor: what others took away from a latency.
 * @returns milliseconds.
 */
export function queuedMs(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6
}

/** Memory of a process that is in RAM, now. @returns undefined once it has ended. */
export function residentBytes(pid: number): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? []
    return kibibytes === undefined ? undefined : Number(kibibytes) * 1024
  } catch {
    return undefined
  }
}

/** @param sorted ascending. @param share 0.5 for the median, 0.99 for p99. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export function median(values: readonly number[]): number {
  return percentile(
    values.toSorted((a, b) => a - b),
    0.5,
  )
}

/** @returns a number for people and for JSON: no more digits than the measurement has. */
export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}

/** A table with its columns aligned: the first to the left, numbers to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  )
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd()
  return rows.map(line).join('\n')
}
