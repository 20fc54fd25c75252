/** What the API stands on, out of the rooms and the logs of this reader. */
import { formatVkey } from '@countersign/tlog/key'
import type { Question } from '@countersign/record/question'
import type { Transaction } from '@countersign/record/transaction'
import { dropAfter, retentionDays } from '@countersign/record/retention'
import { type LoadedConfig, retentionRules } from '../config.ts'
import type { Rooms } from '../journey.ts'
import type { Clock } from '../platform.ts'
import type { Delivery, Language, Logs, LogStatus, ReportPorts } from '../report.ts'
import { completeQuestion, matches, parseQuestion, printFilter, SearchError } from '../search.ts'
import type { Index } from '../search.ts'
import { trailOf } from '../trace.ts'
import type { LogFollower } from './follow-log.ts'
import type { Live } from './live.ts'
import type { FollowedLog } from './logs.ts'
import { pause } from './pause.ts'
import { proveRecord } from './proofs.ts'
import { DELIVERY_ACTION, deliveryDraft } from './read-draft.ts'
import type { SavedQuestions } from './saved-questions.ts'
import { readsOf } from './who-read.ts'

/** One log, and how far it is. */
export interface Following {
  readonly log: FollowedLog
  readonly follower: LogFollower
}

export interface PortsOptions {
  readonly index: Index
  readonly following: readonly Following[]
  readonly live: Live
  readonly questions: SavedQuestions
  /** Where deliveries go on record. */
  readonly rooms: Pick<Rooms, 'append'>
  /** Of the log that this reader's own records go to. */
  readonly origin: string
  readonly inForce: () => LoadedConfig
  /** Rows of one answer, by the configuration in force. */
  readonly rowsMax: () => number
  readonly newId: () => string
  readonly salt: () => Uint8Array
  readonly clock: Clock
  /** Aborted when the reader ends. */
  readonly ending: AbortSignal
  readonly failed: (error: unknown, record: string) => void
}

export function portsOf(options: PortsOptions): ReportPorts {
  const { index, following, clock } = options
  const logOf = (origin: string): FollowedLog | undefined =>
    following.find(({ follower }) => follower.progress().origin === origin)?.log
  return {
    index: {
      // Whoever asks for more gets a cursor with what they may have at once.
      search: (page, asking) =>
        index.search({ ...page, limit: Math.min(page.limit, options.rowsMax()) }, asking),
      find: (which, asking) => index.find(which, asking),
      aggregate: (request, asking) => index.aggregate(request, asking),
      count: (question, asking) => index.count(question, asking),
    },
    language: languageOf(index, clock),
    trailOf,
    logs: logsOf(following, logOf),
    origin: options.origin,
    live: (signal) => transactionsOf(options, signal),
    questions: options.questions,
    readsOf: (which, page) => readsOf(which, page, { index, logOf }),
    recordRead: (delivery) => record(delivery, options),
    clock,
    pause,
    failed: options.failed,
  }
}

function languageOf(index: Index, clock: Clock): Language {
  // A stream asks the same question of each transaction.
  const predicates = new WeakMap<Question, (transaction: Transaction) => boolean>()
  return {
    parse: (text) => parseQuestion(text, clock.nowNs()),
    print: printFilter,
    complete: (text, at, asking) =>
      completeQuestion(text, at, {
        asking,
        valuesOf: (field, beginning) => index.values(field, beginning, asking),
      }),
    matches(question, transaction) {
      const predicate = predicates.get(question) ?? matches(question, EVERYTHING)
      predicates.set(question, predicate)
      return predicate(transaction)
    },
  }
}

/** The API has looked at scope and masks by then. */
const EVERYTHING = { scope: { kind: 'all' }, unmasked: true } as const

function logsOf(
  following: readonly Following[],
  logOf: (origin: string) => FollowedLog | undefined,
): Logs {
  return {
    status: async () => following.map(statusOf),
    prove: async (origin, index) => {
      const log = logOf(origin)
      return log === undefined ? undefined : proveRecord(log, index)
    },
    file: async (origin, path) => logOf(origin)?.source.read(path),
  }
}

function statusOf({ log, follower }: Following): LogStatus {
  const [key] = log.keys
  return { ...follower.progress(), vkey: key === undefined ? '' : formatVkey(key) }
}

/** Deliveries are not delivered: two watchers would watch each other for ever. */
async function* transactionsOf(
  { live, ending }: PortsOptions,
  signal: AbortSignal,
): AsyncGenerator<Transaction> {
  for await (const seen of live.watch(AbortSignal.any([signal, ending]))) {
    if (seen.kind === 'missed') return
    for (const transaction of seen.transactions)
      if (transaction.action !== DELIVERY_ACTION) yield transaction
  }
  if (!ending.aborted) return
  throw new SearchError('SEARCH_UNAVAILABLE', 'could not go on: the reader is ending', {
    hint: 'ask again: another one is started',
  })
}

async function record(
  { cause, actor, facts, statement }: Delivery,
  { rooms, newId, clock, inForce, salt }: PortsOptions,
): Promise<void> {
  const { config } = inForce()
  const nowNs = clock.nowNs()
  await rooms.append(
    deliveryDraft({
      id: newId(),
      nowNs,
      cause,
      actor: { id: actor.id, type: actor.type },
      facts,
      statement,
      environment: config.environment,
      salt: salt(),
      // As long as any read, which no label and no service is about.
      dropAfter: dropAfter(nowNs, retentionDays(retentionRules(config), {})),
    }),
  )
}
