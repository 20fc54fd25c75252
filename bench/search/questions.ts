/** The twelve questions of an investigator: as they are asked of the index, and as SQL for its peers. */
import type { Asking } from '@countersign/record/question'
import type { Index } from '../../packages/gateway/src/search.ts'
import { parseQuestion } from '../../packages/gateway/src/search.ts'
import {
  actorId,
  ACTORS,
  destinationName,
  DESTINATIONS,
  drawn,
  recordId,
  serviceName,
  SERVICES,
  SPAN_NS,
  START_NS,
  traceOf,
} from './transactions.ts'

export type Dialect = 'postgres' | 'sqlite'

/** One question, with the values of one asking. */
export interface Question {
  /** What has to be asked before, and does not count. */
  before?(index: Index): Promise<void>
  /** Asks the index; resolves when the whole answer is there. */
  ask(index: Index): Promise<unknown>
  sql(dialect: Dialect): string
}

export interface QuestionKind {
  readonly name: string
  /** @param total transactions that were loaded */
  draw(random: () => number, total: number): Question
}

const asking: Asking = { scope: { kind: 'all' }, unmasked: true }
const DAY_NS = 86_400_000_000_000n
const END_NS = START_NS + SPAN_NS

interface Span {
  readonly from: bigint
  readonly to: bigint
}

/** A span somewhere in the thirty days. */
function spanOf(random: () => number, ns: bigint): Span {
  const from =
    START_NS + BigInt(Math.floor(random() * Number((SPAN_NS - ns) / 1_000_000n))) * 1_000_000n
  return { from, to: from + ns }
}

const iso = (ns: bigint): string => new Date(Number(ns / 1_000_000n)).toISOString()
const within = ({ from, to }: Span): string => `since:${iso(from)} until:${iso(to)}`
const between = ({ from, to }: Span): string => `time >= ${from} AND time < ${to}`

const search =
  (text: string, limit: number, order: 'newest' | 'oldest' = 'newest') =>
  (index: Index): Promise<unknown> =>
    index.search({ question: parseQuestion(text, END_NS), limit, order }, asking)

type Aggregate = Omit<Parameters<Index['aggregate']>[0], 'question'>

const aggregate =
  (text: string, request: Aggregate) =>
  (index: Index): Promise<unknown> =>
    index.aggregate({ question: parseQuestion(text, END_NS), ...request }, asking)

const count = { kind: 'count' } as const
const percentile = (
  percent: number,
): { kind: 'percentile'; field: 'duration'; percent: number } => ({
  kind: 'percentile',
  field: 'duration',
  percent,
})

/** SQLite has no percentiles: the rows of a group in order, and the one at the place. */
function percentilesSql(dialect: Dialect, where: string): string {
  if (dialect === 'postgres')
    return `SELECT route, count(*), percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY duration) FROM t WHERE ${where} GROUP BY route ORDER BY 2 DESC LIMIT 20`
  return `SELECT route, n, max(CASE WHEN r = 1 + n / 2 THEN duration END), max(CASE WHEN r = 1 + n * 95 / 100 THEN duration END), max(CASE WHEN r = 1 + n * 99 / 100 THEN duration END)
    FROM (SELECT route, duration, row_number() OVER (PARTITION BY route ORDER BY duration) r, count(*) OVER (PARTITION BY route) n FROM t WHERE ${where}) GROUP BY route ORDER BY n DESC LIMIT 20`
}

export const questions: readonly QuestionKind[] = [
  {
    name: 'latest 50 of an actor',
    draw(random) {
      const actor = actorId(drawn(random, ACTORS))
      return {
        ask: search(`actor.id:${actor}`, 50),
        sql: () => `SELECT * FROM t WHERE actor_id = '${actor}' ORDER BY time DESC LIMIT 50`,
      }
    },
  },
  {
    name: 'all of a trace',
    draw(random, total) {
      const trace = traceOf(Math.floor(random() * total))
      return {
        ask: search(`trace:${trace}`, 100),
        sql: () => `SELECT * FROM t WHERE trace = '${trace}' ORDER BY time DESC LIMIT 100`,
      }
    },
  },
  {
    name: 'one record',
    draw(random, total) {
      const id = recordId(Math.floor(random() * total))
      return {
        ask: (index) => index.find({ id }, asking),
        sql: () => `SELECT * FROM t WHERE id = '${id}'`,
      }
    },
  },
  {
    name: 'denied by service over a day',
    draw(random) {
      const day = spanOf(random, DAY_NS)
      return {
        ask: aggregate(`outcome:denied ${within(day)}`, {
          by: ['service'],
          measures: [count],
          limit: 50,
        }),
        sql: () =>
          `SELECT service, count(*) FROM t WHERE outcome = 'denied' AND ${between(day)} GROUP BY service ORDER BY 2 DESC LIMIT 50`,
      }
    },
  },
  {
    name: 'top destinations over 30 days',
    draw() {
      return {
        ask: aggregate('class:http.client', { by: ['destination'], measures: [count], limit: 10 }),
        sql: () =>
          `SELECT destination, count(*) FROM t WHERE class = 'http.client' GROUP BY destination ORDER BY 2 DESC LIMIT 10`,
      }
    },
  },
  {
    name: 'percentiles by route of a service, a day',
    draw(random) {
      const day = spanOf(random, DAY_NS)
      const service = serviceName(drawn(random, SERVICES))
      return {
        ask: aggregate(`service:${service} class:http.server ${within(day)}`, {
          by: ['route'],
          measures: [count, percentile(50), percentile(95), percentile(99)],
          limit: 20,
        }),
        sql: (dialect) =>
          percentilesSql(
            dialect,
            `service = '${service}' AND class = 'http.server' AND ${between(day)}`,
          ),
      }
    },
  },
  {
    name: 'free text in a path',
    draw(random, total) {
      const word = `case${Math.floor((random() * total) / 50)}`
      return {
        ask: search(word, 50),
        sql: (dialect) =>
          dialect === 'postgres'
            ? `SELECT * FROM t WHERE to_tsvector('simple', translate(path, '/', ' ')) @@ '${word}'::tsquery ORDER BY time DESC LIMIT 50`
            : `SELECT t.* FROM words JOIN t ON t.rowid = words.rowid WHERE words MATCH '${word}' ORDER BY time DESC LIMIT 50`,
      }
    },
  },
  {
    name: 'distinct callers of a service, a day',
    draw(random) {
      const day = spanOf(random, DAY_NS)
      const service = serviceName(drawn(random, SERVICES))
      return {
        ask: aggregate(`service:${service} class:http.server ${within(day)}`, {
          by: [],
          measures: [{ kind: 'distinct', field: 'actor.id' }],
          limit: 1,
        }),
        sql: () =>
          `SELECT count(DISTINCT actor_id) FROM t WHERE service = '${service}' AND class = 'http.server' AND ${between(day)}`,
      }
    },
  },
  {
    name: 'first call of a service to a host',
    draw(random) {
      const service = serviceName(drawn(random, SERVICES))
      const destination = destinationName(drawn(random, DESTINATIONS))
      return {
        ask: search(`service:${service} destination:${destination}`, 1, 'oldest'),
        sql: () =>
          `SELECT * FROM t WHERE service = '${service}' AND destination = '${destination}' ORDER BY time LIMIT 1`,
      }
    },
  },
  {
    name: 'failures by the hour, a week',
    draw(random) {
      const week = spanOf(random, 7n * DAY_NS)
      return {
        ask: aggregate(`outcome:failure ${within(week)}`, {
          by: [],
          measures: [count],
          everyNs: 3_600_000_000_000n,
          limit: 1000,
        }),
        sql: () =>
          `SELECT time / 3600000000000, count(*) FROM t WHERE outcome = 'failure' AND ${between(week)} GROUP BY 1 ORDER BY 1`,
      }
    },
  },
  {
    name: 'personal data in an hour',
    draw(random) {
      const hour = spanOf(random, 3_600_000_000_000n)
      return {
        ask: search(`label:pii ${within(hour)}`, 100),
        sql: () =>
          `SELECT * FROM t WHERE labels LIKE '%pii%' AND ${between(hour)} ORDER BY time DESC LIMIT 100`,
      }
    },
  },
  {
    name: 'page 2 of a service',
    draw(random) {
      const service = serviceName(drawn(random, SERVICES))
      const request = { question: parseQuestion(`service:${service}`, END_NS), limit: 100 }
      let cursor = ''
      return {
        async before(index) {
          const { cursor: next } = await index.search(request, asking)
          if (next === undefined) throw new RangeError(`${service} has less than a page`)
          cursor = next
        },
        ask: (index) => index.search({ ...request, cursor }, asking),
        sql: () =>
          `SELECT * FROM t WHERE service = '${service}' ORDER BY time DESC, leaf DESC LIMIT 100 OFFSET 100`,
      }
    },
  },
]
