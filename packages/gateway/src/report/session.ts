/**
 * One request's reading: by which access, whether sealed content is shown, and what is said of it. `said` is called exactly once,
 * by the handler with what it returned or, where the handler failed, with nothing returned.
 */
import { formatLeafList } from '@countersign/record/leaf-list'
import type { Asking, Question } from '@countersign/record/question'
import type { LeavesOfLog, LogRole, ReadAccess } from '@countersign/record/reading'
import type { Transaction } from '@countersign/record/transaction'
import { ReportError } from './errors.ts'
import { chooseAccess, readStated } from './access.ts'
import type { Stated } from './access.ts'
import { sealedIn } from './mask.ts'
import type { Delivery, ReadContext, ReportPorts } from './ports.ts'
import { approvalOf } from './unmasking.ts'

/** What was returned. */
export interface Returned {
  readonly question?: string | undefined
  readonly rows: number
  readonly transactions?: readonly Transaction[]
  readonly cause?: string
  /** Why, where it is said in the body and not in the headers. */
  readonly purpose?: string
  readonly ticket?: string
  /** Whether sealed content was shown, where that is not what the question was asked with. */
  readonly unmasked?: boolean
}

/** A question that may be asked, and how. */
export interface Asked {
  readonly question: Question
  readonly asking: Asking
  readonly unmasked: boolean
}

export interface Session {
  readonly context: ReadContext
  readonly access: ReadAccess
  readonly stated: Stated
  /**
   * Reads a question and holds it against the access: sealed content is shown where the access and what is stated allow it.
   * @throws {ReportError} `SEARCH_MASKED`, `REPORT_APPROVAL`; what `parse` throws
   */
  ask(text: string, signal?: AbortSignal): Promise<Asked>
  /** Says what was returned. Once; a second call is a programmer's error and says nothing. */
  say(returned: Returned): void
  /** What would be said, for reads within this one. */
  delivery(returned: Returned): Delivery
  readonly isSaid: boolean
}

/** @throws {ReportError} `REPORT_ROLE`, `REPORT_PARAMETER` */
export function openSession(
  ports: ReportPorts,
  context: ReadContext,
  { headers, prefers }: { headers: Headers; prefers?: LogRole | undefined },
): Session {
  const named = readStated(headers)
  // What only one role may do is done by that role, where it is held and none is named.
  const holds = context.accesses.some(({ role }) => role === prefers)
  const stated = holds && prefers !== undefined ? { role: prefers, ...named } : named
  return sessionOf(ports, { context, stated, access: chooseAccess(context.accesses, stated) })
}

/** A session of which nothing will be shown: its headers could not be read, and the refusal is on record all the same. */
export function closedSession(ports: ReportPorts, context: ReadContext): Session | undefined {
  if (context.accesses.length === 0) return undefined
  return sessionOf(ports, { context, stated: {}, access: chooseAccess(context.accesses, {}) })
}

function sessionOf(
  ports: ReportPorts,
  { context, stated, access }: { context: ReadContext; stated: Stated; access: ReadAccess },
): Session {
  let isSaid = false
  let showed: { readonly unmasked: boolean; readonly approval?: string } = { unmasked: false }
  let asked: string | undefined
  const delivery = (returned: Returned): Delivery => {
    const { purpose = stated.purpose, ticket = stated.ticket, question = asked } = returned
    const { scope } = access
    return {
      cause: context.record,
      actor: context.actor,
      facts: {
        role: access.role,
        scope: scope.kind,
        unmasked: returned.unmasked ?? showed.unmasked,
        rows: returned.rows,
        ...recordsOf(returned.transactions ?? []),
        ...(showed.approval === undefined ? {} : { approval: showed.approval }),
      },
      statement: {
        ...(question === undefined ? {} : { question }),
        ...(purpose === undefined ? {} : { purpose }),
        ...(ticket === undefined ? {} : { ticket }),
        ...(scope.kind === 'services' ? { services: scope.services } : {}),
      },
    }
  }
  return {
    context,
    access,
    stated,
    async ask(text, signal) {
      asked = text
      const question = ports.language.parse(text)
      showed = await unmasking(ports, { context, access, stated, question })
      const { unmasked } = showed
      if (!unmasked) refuseSealed(question, access)
      const asking = { scope: access.scope, unmasked, ...(signal === undefined ? {} : { signal }) }
      return { question, asking, unmasked }
    },
    say(returned) {
      if (isSaid) return
      isSaid = true
      const { facts, statement } = delivery(returned)
      context.said(facts, statement, returned.cause)
    },
    delivery,
    get isSaid() {
      return isSaid
    },
  }
}

async function unmasking(
  ports: ReportPorts,
  asked: { context: ReadContext; access: ReadAccess; stated: Stated; question: Question },
): Promise<{ readonly unmasked: boolean; readonly approval?: string }> {
  const { access, stated } = asked
  if (access.unmask === 'always') return { unmasked: true }
  if (access.unmask === 'with_purpose') return { unmasked: stated.purpose !== undefined }
  if (access.unmask === 'never' || stated.approval === undefined) return { unmasked: false }
  const { question, context } = asked
  const unmaskingId = stated.approval
  const approval = await approvalOf(ports, { unmaskingId, by: context.actor.id, question })
  return { unmasked: true, approval }
}

function refuseSealed(question: Question, access: ReadAccess): void {
  const sealed = sealedIn(question.filter)
  if (sealed === undefined) return
  throw new ReportError(
    'SEARCH_MASKED',
    `could not ask by '${sealed.field}': it is masked for you`,
    {
      at: sealed.at,
      hint: howToUnmask(access),
    },
  )
}

/** What a reader may do about masks, in words. */
export function howToUnmask({ role, unmask }: ReadAccess): string {
  if (unmask === 'with_purpose') return 'state why, with the header countersign-purpose'
  if (unmask === 'with_approval')
    return 'ask for an unmasking (POST /v1/unmaskings), and name it in countersign-approval once it is approved'
  return `a ${role} sees no sealed content; an auditor does who states a purpose`
}

function recordsOf(transactions: readonly Transaction[]): { records?: readonly LeavesOfLog[] } {
  if (transactions.length === 0) return {}
  const byLog = new Map<string, Set<number>>()
  for (const { origin, index, intent } of transactions) {
    const leaves = byLog.get(origin) ?? new Set()
    leaves.add(index)
    if (intent !== undefined) leaves.add(intent)
    byLog.set(origin, leaves)
  }
  const records = [...byLog].map(([origin, leaves]) => ({
    origin,
    leaves: formatLeafList([...leaves].toSorted((a, b) => a - b)),
  }))
  return { records }
}
