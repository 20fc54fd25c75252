/** By which of their accesses a reader reads, and what they say about why: the `countersign-*` headers of a request. */
import type { LogRole, ReadAccess, ReadScope } from '@countersign/record/reading'
import type { Transaction } from '@countersign/record/transaction'
import { isId } from '@countersign/record/id'
import { ReportError } from './errors.ts'
import { didYouMean } from '../platform.ts'

/** Characters of a purpose, and of a ticket. */
export const PURPOSE_CHARACTERS_MIN = 3
export const PURPOSE_CHARACTERS_MAX = 500
export const TICKET_CHARACTERS_MAX = 100

/** What a reader states with a request. */
export interface Stated {
  readonly role?: LogRole
  readonly purpose?: string
  readonly ticket?: string
  /** Record id of an unmasking. */
  readonly approval?: string
}

const purposeCharacters = { min: PURPOSE_CHARACTERS_MIN, max: PURPOSE_CHARACTERS_MAX }
const ticketCharacters = { min: 1, max: TICKET_CHARACTERS_MAX }

const widths: Readonly<Record<ReadScope['kind'], number>> = { self: 0, services: 1, all: 2 }
const roles: readonly LogRole[] = ['subject', 'viewer', 'owner', 'auditor', 'investigator']
const known = [
  'countersign-role',
  'countersign-purpose',
  'countersign-ticket',
  'countersign-approval',
]

/** Reads the headers. @throws {ReportError} `REPORT_PARAMETER` */
export function readStated(headers: Headers): Stated {
  // A purpose that is stated under a mistyped name would be missing from the record, and the reader would wonder at the masks.
  for (const name of headers.keys()) {
    if (name.startsWith('countersign-') && !known.includes(name))
      throw wrong(
        `could not read the header ${name}: there is none of that name${didYouMean(name, known)}`,
      )
  }
  const role = headers.get('countersign-role') ?? undefined
  const purpose = textOf(headers, 'countersign-purpose', purposeCharacters)
  const ticket = textOf(headers, 'countersign-ticket', ticketCharacters)
  const approval = headers.get('countersign-approval') ?? undefined
  if (role !== undefined && !isRole(role))
    throw wrong(`could not read the header countersign-role: it must be one of ${roles.join(', ')}`)
  if (approval !== undefined && !isId(approval))
    throw wrong('could not read the header countersign-approval: it must be the id of an unmasking')
  return {
    ...(role === undefined ? {} : { role }),
    ...(purpose === undefined ? {} : { purpose }),
    ...(ticket === undefined ? {} : { ticket }),
    ...(approval === undefined ? {} : { approval }),
  }
}

/**
 * The access that a request reads by: the role that it names, else the widest, and of those one that shows what is sealed where all is
 * stated that it asks for.
 * @throws {ReportError} `REPORT_ROLE` when the reader holds no such role, or none
 */
export function chooseAccess(accesses: readonly ReadAccess[], stated: Stated): ReadAccess {
  const held = widestFirst(merged(accesses), stated)
  const [widest] = held
  if (widest === undefined)
    throw new ReportError(
      'REPORT_ROLE',
      'could not let you read: no role of the log is granted to you',
      {
        hint: 'ask whoever writes reader.access in countersign.yaml',
      },
    )
  const { role } = stated
  if (role === undefined) return widest
  const chosen = held.find((access) => access.role === role)
  if (chosen === undefined)
    throw new ReportError(
      'REPORT_ROLE',
      `could not let you read as ${role}: that role is not granted to you`,
      {
        hint: `you may read as ${held.map((access) => access.role).join(', ')}`,
      },
    )
  return chosen
}

/** Whether a transaction is within a scope. The index holds to it; what comes past the index is held to it here. */
export function isWithin(scope: ReadScope, transaction: Transaction): boolean {
  if (scope.kind === 'all') return true
  if (scope.kind === 'self') return transaction['actor.id'] === scope.actor
  return transaction.service !== undefined && scope.services.includes(transaction.service)
}

/** Services of one role granted by several lines are one access: nobody should have to ask twice. */
function merged(accesses: readonly ReadAccess[]): readonly ReadAccess[] {
  const services = new Map<string, ReadAccess>()
  const all: ReadAccess[] = []
  for (const access of accesses) {
    if (access.scope.kind !== 'services') {
      all.push(access)
      continue
    }
    const key = `${access.role} ${access.unmask}`
    const before = services.get(key)
    const already = before?.scope.kind === 'services' ? before.scope.services : []
    const together = [...new Set([...already, ...access.scope.services])]
    services.set(key, { ...(before ?? access), scope: { kind: 'services', services: together } })
  }
  return [...all, ...services.values()]
}

function widestFirst(accesses: readonly ReadAccess[], stated: Stated): readonly ReadAccess[] {
  const shows = (access: ReadAccess): number =>
    access.unmask !== 'never' && isMet(access, stated) ? 1 : 0
  return accesses.toSorted(
    (a, b) =>
      widths[b.scope.kind] - widths[a.scope.kind] ||
      shows(b) - shows(a) ||
      roles.indexOf(b.role) - roles.indexOf(a.role),
  )
}

/** Whether all is stated that the access asks for. An approval is believed here and checked when the question is known. */
function isMet({ unmask }: ReadAccess, { purpose, approval }: Stated): boolean {
  if (unmask === 'with_purpose') return purpose !== undefined
  return unmask === 'with_approval' ? approval !== undefined : true
}

/** Attacker-controlled. Header values are bytes: beyond ASCII a text is spelt as RFC 8187 spells it, `UTF-8''Pr%C3%BCfung`. */
function textOf(
  headers: Headers,
  name: string,
  { min, max }: { min: number; max: number },
): string | undefined {
  const value = headers.get(name)
  if (value === null) return undefined
  const text = (/^utf-8''/i.test(value) ? decoded(value.slice(7), name) : value).trim()
  if (!/^[\x20-\x7e]*$/.test(value))
    throw wrong(
      `could not read the header ${name}: beyond ASCII it must be spelt UTF-8''Pr%C3%BCfung`,
    )
  if (text.length < min || text.length > max || /\p{Cc}/u.test(text))
    throw wrong(
      `could not read the header ${name}: it must have ${min} to ${max} characters, none of them for control`,
    )
  return text
}

function decoded(text: string, name: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw wrong(`could not read the header ${name}: its percent-encoding is no UTF-8`)
  }
}

function isRole(text: string): text is LogRole {
  return roles.some((role) => role === text)
}

function wrong(message: string): ReportError {
  return new ReportError('REPORT_PARAMETER', message)
}
