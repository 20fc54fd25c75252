/**
 * One live stream: what was indexed since it began, in deliveries. Each is put on record before it is sent, so a stream that breaks has
 * sent no more than the log says. It holds a bounded queue; what a slow client does not fetch in time ends the stream, and
 * `Last-Event-ID` goes on from the last that was sent.
 */
import { z } from 'zod'
import type { Filter, Question } from '@countersign/record/question'
import { READ_ROWS_MAX } from '@countersign/record/reading'
import type { FieldName, Transaction } from '@countersign/record/transaction'
import { isWithin } from './access.ts'
import { picked } from './answers.ts'
import { problemOf, ReportError } from './errors.ts'
import { shown, unsealedPart } from './mask.ts'
import type { ReportPorts } from './ports.ts'
import type { Asked, Session } from './session.ts'

/** At most one delivery in so long. */
export const LIVE_PACE_MS = 1000
/** A comment after so many quiet paces, so that nobody between takes the stream for dead. */
export const LIVE_QUIET_PACES_MAX = 15
/** Transactions that wait for a client. */
export const LIVE_QUEUE_MAX = 5000
/** How long the first of them may wait: what is erased meanwhile must not leave. */
export const LIVE_WAIT_MS_MAX = 30_000
/** Then the client asks anew, and is authorised anew. */
export const LIVE_LASTS_MS_MAX = 3_600_000

const ACTION = 'log.live'
const NS_PER_MS = 1_000_000n
const nowhere = { from: 0, to: 0 }

/** The last index (from 0) that was sent, by log. */
type Position = Map<string, number>

interface Watching {
  readonly session: Session
  readonly asked: Asked
  readonly fields: readonly FieldName[] | undefined
  readonly lastEventId: string | undefined
}

interface Waiting {
  readonly transaction: Transaction
  readonly sinceNs: bigint
}

/**
 * Opens a stream.
 * @param onEnd called once, when nothing of it runs any more
 * @throws {ReportError} `REPORT_PARAMETER` for a `Last-Event-ID` that none of these logs gave
 */
export async function deliveries(
  ports: ReportPorts,
  watching: Watching,
  onEnd: () => void,
): Promise<ReadableStream<Uint8Array>> {
  const states = await ports.logs.status()
  const now: Position = new Map(states.map(({ origin, next }) => [origin, next - 1]))
  const resumed =
    watching.lastEventId === undefined ? undefined : readPosition(watching.lastEventId, now)
  const abort = new AbortController()
  const events = run(ports, watching, {
    abort,
    position: resumed ?? now,
    now,
    isResumed: resumed !== undefined,
  })
  const encoder = new TextEncoder()
  return new ReadableStream(
    {
      // Asked only when the client has room: the queue is ours, and bounded.
      async pull(controller) {
        const { value, done } = await events.next()
        if (done !== true) return controller.enqueue(encoder.encode(value))
        abort.abort()
        onEnd()
        return controller.close()
      },
      async cancel() {
        abort.abort()
        await events.return()
        onEnd()
      },
    },
    { highWaterMark: 0 },
  )
}

interface Run {
  readonly abort: AbortController
  readonly position: Position
  readonly now: Position
  readonly isResumed: boolean
}

/** The text of the stream, event by event. The order is the guarantee: nothing is sent that is not on record. */
async function* run(
  ports: ReportPorts,
  watching: Watching,
  running: Run,
): AsyncGenerator<string, void, undefined> {
  const { abort, position, isResumed } = running
  const { session, asked } = watching
  try {
    // Before what was missed is looked up: what is indexed meanwhile waits in the queue.
    const queue = collect(ports, watching, abort.signal)
    yield event('open', { role: session.access.role, masked: !asked.unmasked }, position)
    if (isResumed) yield* catchUp(ports, { asked, queue, running })
    yield* watch(ports, { watching, queue, running })
  } catch (error) {
    if (!abort.signal.aborted) {
      ports.failed(error, session.context.record)
      const { code, detail } = problemOf(error)
      yield event('end', { code, detail, hint: GO_ON }, position)
    }
  } finally {
    abort.abort()
  }
}

/** Puts what was missed in front of the queue; where it is too much, says so and goes on from now. */
async function* catchUp(
  ports: ReportPorts,
  { asked, queue, running }: { asked: Asked; queue: Queue; running: Run },
): AsyncGenerator<string, void, undefined> {
  const { position, now } = running
  const missed = await missedSince(ports, asked, position)
  const sinceNs = ports.clock.monotonicNs()
  queue.waiting.unshift(...(missed ?? []).map((transaction) => ({ transaction, sinceNs })))
  if (missed !== undefined) return
  for (const [origin, index] of now) position.set(origin, index)
  const detail = `more than ${READ_ROWS_MAX} were missed`
  yield event('gap', { detail, hint: goOn(asked.question) }, position)
}

async function* watch(
  ports: ReportPorts,
  { watching, queue, running }: { watching: Watching; queue: Queue; running: Run },
): AsyncGenerator<string, void, undefined> {
  const { position, abort } = running
  const startNs = ports.clock.monotonicNs()
  for (let quiet = 1; !abort.signal.aborted; quiet++) {
    const batch = take(queue.waiting, position)
    if (batch.length > 0) {
      const { session } = watching
      await ports.recordRead(session.delivery({ rows: batch.length, transactions: batch }))
      yield batch.map((transaction) => sent(transaction, watching, position)).join('')
      quiet = 0
    } else if (queue.broke !== undefined) throw queue.broke
    const over = whyOver(ports, queue, startNs)
    if (over !== undefined) {
      yield event('end', { ...over, hint: GO_ON }, position)
      return
    }
    if (quiet > 0 && quiet % LIVE_QUIET_PACES_MAX === 0) yield ': nothing new\n\n'
    await ports.pause(LIVE_PACE_MS, abort.signal)
  }
}

function whyOver(
  { clock }: ReportPorts,
  { waiting: [first], isOver }: Queue,
  startNs: bigint,
): { code: string; detail: string } | undefined {
  const elapsedMs = (sinceNs: bigint): bigint => (clock.monotonicNs() - sinceNs) / NS_PER_MS
  if (isOver || (first !== undefined && elapsedMs(first.sinceNs) > LIVE_WAIT_MS_MAX))
    return { code: 'REPORT_SLOW', detail: 'more comes than you fetch' }
  return elapsedMs(startNs) > LIVE_LASTS_MS_MAX
    ? { code: 'REPORT_TIME', detail: 'a stream lasts an hour' }
    : undefined
}

const GO_ON = 'ask again with the header Last-Event-ID: what you have not got comes then'

interface Queue {
  readonly waiting: Waiting[]
  isOver: boolean
  broke?: Error
}

/** Fills a queue with what this reader may see of what is indexed, until it is full or the stream ends. */
function collect(ports: ReportPorts, { session, asked }: Watching, signal: AbortSignal): Queue {
  const queue: Queue = { waiting: [], isOver: false }
  const fill = async (): Promise<void> => {
    for await (const transaction of ports.live(signal)) {
      if (!isFor(ports, transaction, { session, asked })) continue
      if (queue.waiting.length >= LIVE_QUEUE_MAX) {
        queue.isOver = true
        return
      }
      queue.waiting.push({ transaction, sinceNs: ports.clock.monotonicNs() })
    }
    // What it listens to ends by itself where more came at once than it keeps.
    queue.isOver = !signal.aborted
  }
  fill().catch((error: unknown) => {
    queue.broke = new Error('could not watch the index', { cause: error })
  })
  return queue
}

function isFor(
  { language }: ReportPorts,
  transaction: Transaction,
  { session, asked }: Pick<Watching, 'session' | 'asked'>,
): boolean {
  // Records of deliveries would be delivered, recorded, delivered: two watchers would watch each other for ever.
  if (transaction.action === ACTION || transaction.outcome === 'open') return false
  if (!isWithin(session.access.scope, transaction)) return false
  // Free text must not tell by coming or not coming what a mask hides.
  return language.matches(asked.question, asked.unmasked ? transaction : unsealedPart(transaction))
}

function take(waiting: Waiting[], position: Position): Transaction[] {
  const batch: Transaction[] = []
  const seen = new Map(position)
  while (batch.length < READ_ROWS_MAX) {
    const next = waiting.shift()
    if (next === undefined) break
    const { origin, index } = next.transaction
    // Both missed and live: it came while what was missed was looked up.
    if (index <= (seen.get(origin) ?? -1)) continue
    seen.set(origin, index)
    batch.push(next.transaction)
  }
  return batch
}

function sent(transaction: Transaction, { asked, fields }: Watching, position: Position): string {
  position.set(transaction.origin, transaction.index)
  return event('transaction', picked(shown(transaction, asked.unmasked), fields), position)
}

/** What ended after a position, oldest place first; undefined when it is more than one answer may hold. */
async function missedSince(
  { index }: ReportPorts,
  { question, asking }: Asked,
  position: Position,
): Promise<readonly Transaction[] | undefined> {
  if (position.size === 0) return []
  const later: Filter[] = [...position].map(([origin, last]) => ({
    kind: 'and',
    parts: [
      { kind: 'compare', field: 'origin', operator: '=', value: origin, at: nowhere },
      { kind: 'compare', field: 'index', operator: '>', value: last, at: nowhere },
    ],
  }))
  const ended: Filter = {
    kind: 'not',
    part: {
      kind: 'or',
      parts: [
        { kind: 'compare', field: 'outcome', operator: '=', value: 'open', at: nowhere },
        { kind: 'compare', field: 'action', operator: '=', value: ACTION, at: nowhere },
      ],
    },
  }
  const filter: Filter = {
    kind: 'and',
    parts: [question.filter, { kind: 'or', parts: later }, ended],
  }
  const page = await index.search(
    { question: { ...question, filter }, limit: READ_ROWS_MAX, order: 'oldest' },
    asking,
  )
  if (page.cursor !== undefined) return undefined
  return page.transactions.toSorted((a, b) =>
    a.origin === b.origin ? a.index - b.index : a.origin < b.origin ? -1 : 1,
  )
}

function goOn({ text }: Question): string {
  return `what is between is in /v1/search?order=oldest&q=${encodeURIComponent(text)}`
}

/** One event. JSON has no line breaks, so nothing in it ends it. */
function event(name: string, value: unknown, position: Position): string {
  const id = Buffer.from(JSON.stringify([...position])).toString('base64url')
  return `id: ${id}\nevent: ${name}\ndata: ${JSON.stringify(value)}\n\n`
}

const positionSchema = z.array(z.tuple([z.string().max(300), z.int().min(-1)])).max(1000)

/** Attacker-controlled. */
function readPosition(text: string, now: Position): Position {
  const wrong = new ReportError(
    'REPORT_PARAMETER',
    'could not go on: Last-Event-ID is of no stream of these logs',
    {
      hint: 'without it the stream begins now',
    },
  )
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(text, 'base64url').toString())
  } catch {
    throw wrong
  }
  const read = positionSchema.safeParse(value)
  if (!read.success || read.data.some(([origin]) => !now.has(origin))) throw wrong
  // A log that is new since then begins now.
  return new Map([...now, ...read.data])
}
