/** `/v1/live`: transactions as they are indexed, as server-sent events. */
import { content, EVENTS_TYPE, negotiate } from '../answers.ts'
import { ReportError } from '../errors.ts'
import { deliveries } from '../live.ts'
import { noBody, operation } from '../operation.ts'
import type { Operation } from '../operation.ts'
import { liveQuery, none } from '../schemas.ts'

/** Live streams at one time, of all readers. */
export const LIVE_STREAMS_MAX = 100

/** @returns operations that count their streams: one API, one count */
export function liveOperations(): readonly Operation[] {
  let streams = 0
  return [
    operation(
      {
        method: 'GET',
        template: '/v1/live',
        action: 'log.live',
        crud: 'read',
        summary: 'Watch transactions',
        about:
          'Server-sent events: `transaction` for each that ended, `gap` where some were left out, `end` when it is over, with how to go on. `Last-Event-ID` goes on where a stream broke. Each delivery is on record before it is sent.',
        path: none,
        query: liveQuery,
        body: noBody,
        answers: [{ status: 200, about: 'The stream.', content: { [EVENTS_TYPE]: undefined } }],
        example: "-N -G $API/v1/live --data-urlencode 'q=outcome:denied'",
      },
      async ({ ports, session, request, query: { q, fields } }) => {
        negotiate(request, [EVENTS_TYPE])
        const asked = await session.ask(q)
        const lastEventId = request.headers.get('last-event-id') ?? undefined
        if (streams >= LIVE_STREAMS_MAX)
          throw new ReportError(
            'REPORT_BUSY',
            `could not open a stream: ${LIVE_STREAMS_MAX} are open`,
            {
              hint: 'ask again later, or follow /v1/search',
            },
          )
        streams += 1
        const onEnd = once(() => (streams -= 1))
        const watching = { session, asked, fields, lastEventId }
        const stream = await deliveries(ports, watching, onEnd).catch((error: unknown) => {
          onEnd()
          throw error
        })
        // Of the request itself nothing is shown: what is delivered has records of its own.
        session.say({ rows: 0, unmasked: false })
        return content(stream, EVENTS_TYPE, { headers: { 'x-accel-buffering': 'no' } })
      },
    ),
  ]
}

function once(run: () => void): () => void {
  let isDone = false
  return () => {
    if (isDone) return
    isDone = true
    run()
  }
}
