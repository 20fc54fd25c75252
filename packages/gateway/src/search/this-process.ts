/** A process by its name, so that others can tell whether it is still there. */
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

export interface ProcessName {
  readonly host: string
  /** Names a boot of a machine and a space of process numbers on it; empty where the system does not say. */
  readonly machine: string
  readonly pid: number
}

export function thisProcess(): ProcessName {
  return { host: hostname(), machine: machine(), pid: process.pid }
}

/** Whether a process has surely ended: only one that is numbered as we are can be looked for. */
export function isGone(other: ProcessName, own: ProcessName): boolean {
  if (own.machine === '' || other.machine !== own.machine) return false
  try {
    process.kill(other.pid, 0)
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH'
  }
}

/** Containers share a boot, and often a host name: their process numbers are their own. */
function machine(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return ''
  }
}
