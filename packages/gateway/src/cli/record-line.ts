/** How a record reads on one line of a terminal. What comes from outside is escaped: see terminal.ts. */
import type { Leaf, Lifecycle } from '@countersign/record/leaf'
import { column, counted, duration, escapeText } from './terminal.ts'
import type { Paint } from './terminal.ts'

/** A record, and the words for who acted and on what. */
export interface Shown {
  readonly index: number
  readonly leaf: Leaf
  readonly about: About
}

/** Who acted on what. An outcome says neither: it is known from its intent. */
export interface About {
  readonly who: string
  readonly what: string
}

const INDEX_WIDTH = 6
const WHO_WIDTH = 15
const WHAT_WIDTH = 19

/** Index, time, who, what, and what became of it. The last column has no width: on a terminal the line is cut. */
export function recordLine({ index, leaf, about }: Shown, paint: Paint): string {
  return [
    paint.dim(String(index).padStart(INDEX_WIDTH)),
    clockTime(leaf.time.occurred),
    column(escapeText(about.who), WHO_WIDTH),
    column(escapeText(about.what), WHAT_WIDTH),
    verdict(leaf, paint),
  ].join(' ')
}

/** What a record says of itself; `name` is the actor's, when its addendum is at hand. */
export function aboutOf(leaf: Leaf, name?: string): About {
  return { who: whoOf(leaf, name), what: whatOf(leaf) }
}

/** `user alice`, `service billing`, `nobody`: the name when it is known, else the pseudonym. */
export function whoOf(leaf: Leaf, name?: string): string {
  if (leaf.lifecycle !== undefined)
    return 'component' in leaf.lifecycle ? leaf.lifecycle.component : 'gateway'
  const { actor } = leaf
  if (actor === undefined) return name ?? ''
  if (actor.type === 'anonymous') return 'nobody'
  if (actor.type === 'unknown') return 'unknown'
  return `${actor.type} ${name ?? actor.id}`
}

function whatOf(leaf: Leaf): string {
  const { destination, lifecycle } = leaf
  if (lifecycle !== undefined) return lifecycle.kind
  if (leaf.class !== 'http.client' || destination?.host === undefined) return leaf.action
  return `> ${destination.host}:${destination.port ?? ''}`
}

function verdict(leaf: Leaf, paint: Paint): string {
  if (leaf.lifecycle !== undefined) return escapeText(lifecycleText(leaf.lifecycle))
  const parts: string[] = []
  if (leaf.decision !== undefined) {
    const { allowed, rule } = leaf.decision
    parts.push(allowed ? paint.green('allowed') : paint.red('denied '), escapeText(rule))
  } else if (leaf.outcome !== undefined) {
    parts.push(outcomeWord(leaf.outcome, paint))
  }
  if (leaf.http?.status !== undefined) parts.push(String(leaf.http.status))
  if (leaf.http?.duration_ns !== undefined) parts.push(duration(leaf.http.duration_ns))
  if (leaf.reason !== undefined && leaf.decision === undefined) parts.push(escapeText(leaf.reason))
  return parts.join(' ')
}

function outcomeWord(outcome: NonNullable<Leaf['outcome']>, paint: Paint): string {
  switch (outcome) {
    case 'success':
      return paint.green('success')
    case 'denied':
      return paint.red('denied ')
    case 'failure':
    case 'error':
    case 'unknown':
      return paint.yellow(outcome.padEnd(7))
    default:
      return outcome satisfies never
  }
}

function lifecycleText(fact: Lifecycle): string {
  switch (fact.kind) {
    case 'boot':
      return `version ${fact.version}`
    case 'heartbeat':
      return counted(fact.open, 'open request')
    case 'gap':
      return `${counted(fact.count, 'record')} lost: ${fact.why}`
    case 'config':
      return fact.accepted ? `in force ${fact.config.slice(0, 12)}` : `refused: ${fact.error ?? ''}`
    case 'key':
      return `${fact.change} ${fact.key}`
    case 'shutdown':
      return 'in order'
    case 'alarm':
      return `${fact.raised ? 'raised' : 'over'}: ${fact.what} of ${fact.about}: ${fact.detail}`
    case 'erasure':
      return `${fact.subject} by ${fact.by}: ${fact.basis}`
    case 'hold':
    case 'release':
      return `${fact.subject} for ${fact.matter} by ${fact.by}`
    case 'rotation':
      return `continues ${fact.origin} after its ${counted(fact.size, 'record')}`
    case 'export':
      return `${fact.scope} by ${fact.by}: ${fact.purpose}`
    case 'retention':
      return `${counted(fact.periods.length, 'period')} gone by ${fact.by}, ${counted(fact.addenda, 'addendum', 'addenda')} closed`
    default:
      return fact satisfies never
  }
}

/** The time of day, in the zone of whoever looks. */
function clockTime(ns: string): string {
  return dateOf(ns).toLocaleTimeString('en-GB')
}

/** A moment of the record: `2026-11-22T12:41:03.123456789Z`. */
export function isoTime(ns: string): string {
  return `${dateOf(ns).toISOString().slice(0, 19)}.${(BigInt(ns) % 1_000_000_000n).toString().padStart(9, '0')}Z`
}

function dateOf(ns: string): Date {
  return new Date(Number(BigInt(ns) / 1_000_000n))
}
