/** How times, numbers and records read. */
import type { Leaf, Lifecycle } from '@countersign/record/leaf'

const NS_PER_MS = 1_000_000n
const PSEUDONYM_SHOWN = 12

/** Nanoseconds since the epoch as people read time, in UTC. */
export function time(ns: string | undefined): string {
  if (ns === undefined) return ''
  const date = new Date(Number(BigInt(ns) / NS_PER_MS))
  return Number.isNaN(date.getTime())
    ? `${ns} ns`
    : date.toISOString().replace('T', ' ').replace(/Z$/, '')
}

export function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`
}

export function who({ actor, lifecycle }: Leaf): string {
  if (lifecycle !== undefined)
    return 'component' in lifecycle ? lifecycle.component : 'the log itself'
  if (actor === undefined) return ''
  // The whole of it is in the record, one press away.
  const { id } = actor
  return `${actor.type} ${id.length > PSEUDONYM_SHOWN ? `${id.slice(0, PSEUDONYM_SHOWN)}…` : id}`
}

export function what(leaf: Leaf): string {
  const { http, destination, lifecycle, read, action } = leaf
  if (lifecycle !== undefined) return lifecycleWords(lifecycle)
  const target =
    destination?.host === undefined ? '' : ` → ${destination.host}:${destination.port ?? ''}`
  const route = http?.method === undefined ? '' : ` (${http.method} ${http.route ?? ''})`
  const answer = read === undefined ? '' : `: ${readWords(read)}`
  return `${action}${route}${target}${answer}`
}

/** What became of it, and whether that is a yes or a no. */
export function became({ decision, outcome, http, phase }: Leaf): { text: string; tone: string } {
  if (decision !== undefined)
    return decision.allowed
      ? { text: `allowed by ${decision.rule}`, tone: 'ok' }
      : { text: `denied by ${decision.rule}: ${decision.reason}`, tone: 'no' }
  const status = http?.status === undefined ? '' : ` ${http.status}`
  if (outcome === undefined) return { text: phase, tone: 'soft' }
  return { text: `${outcome}${status}`, tone: outcome === 'success' ? 'ok' : 'no' }
}

function readWords({ role, rows, unmasked, approval }: NonNullable<Leaf['read']>): string {
  const how = unmasked ? ', sealed content shown' : ''
  return `${counted(rows, 'row')} as ${role}${how}${approval === undefined ? '' : ` by approval ${approval}`}`
}

function lifecycleWords(fact: Lifecycle): string {
  switch (fact.kind) {
    case 'gap':
      return `gap: ${counted(fact.count, 'record')} could not be written (${fact.why})`
    case 'erasure':
      return `erasure of ${fact.subject}: ${fact.basis}`
    case 'hold':
    case 'release':
      return `${fact.kind} of ${fact.subject} for ${fact.matter}`
    case 'export':
      return `export (${fact.scope}) by ${fact.by}: ${fact.purpose}`
    case 'retention':
      return `retention: content of ${counted(fact.periods.length, 'period')} is gone`
    case 'alarm':
      return `alarm ${fact.raised ? 'raised' : 'over'}: ${fact.what} of ${fact.about}`
    case 'rotation':
      return `continues ${fact.origin}`
    case 'boot':
    case 'heartbeat':
    case 'config':
    case 'key':
    case 'shutdown':
      return fact.kind
    default:
      return fact satisfies never
  }
}
