/** The head of the request that goes upstream: what was decided on and recorded, and what we assert ourselves. */
import type { Captured } from '@countersign/record/vocabulary'
import type { Connection } from './connection.ts'
import { formatTraceparent } from './trace-context.ts'

// RFC 9110, section 8.6: these mean a body even where there is none, and servers ask for its length.
const lengthExpected: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH'])

/** The whole head with its empty line; latin1. Its framing is that of `captured.request.body`. */
export function upstreamHead(captured: Captured, connection: Connection): string {
  const { request, client, trace, requestId } = captured
  const { method, path, query, headers, body } = request
  connection.address(request, client.address)
  let head = `${method} ${path}`
  if (query !== undefined) head += `?${query}`
  head += connection.hostLine
  for (const [name, value] of headers) head += `${name}: ${value}\r\n`
  head += connection.forwardedLine
  head += `traceparent: ${formatTraceparent(trace)}\r\nx-request-id: ${requestId}\r\n`
  if (trace.state !== undefined) head += `tracestate: ${trace.state}\r\n`
  if (body.framing === 'chunked') return `${head}transfer-encoding: chunked\r\n\r\n`
  if (body.framing === 'length') return `${head}content-length: ${body.bytes ?? 0}\r\n\r\n`
  return lengthExpected.has(method) ? `${head}content-length: 0\r\n\r\n` : `${head}\r\n`
}
