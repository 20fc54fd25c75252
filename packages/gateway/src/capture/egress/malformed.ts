/** Requests to the forward proxy that are not understood: never forwarded, recorded, and answered with what to do. */
import { type ParsedHead, parseHead } from '../canonical-request.ts'
import { type DefectName, defectAnswer } from '../defects.ts'
import type { Connection } from '../connection.ts'
import type { Malformed } from '../exchange.ts'
import { redactShapes } from '../redact.ts'
import { malformedAnswer } from '../refusal.ts'
import { requestLine } from '../server.ts'
import { respond, respondToConnect } from './answer.ts'
import type { Arrival, Unreadable } from './listener.ts'

/** What is wrong, how it is answered, and what to do about it. */
export type EgressDefect = Pick<Malformed, 'defect' | 'explanation' | 'status'>

/** Told of each, with its request line cut and cleaned; answering waits for it. */
export type Report = (
  malformed: EgressDefect & Pick<Malformed, 'requestLine'>,
  connection: Connection,
) => Promise<void>

const notAProxyRequest: EgressDefect = {
  defect: 'not_a_proxy_request',
  status: 400,
  explanation: 'this is a forward proxy; send the target as http://host/path, or use CONNECT',
}
const httpsNeedsConnect: EgressDefect = {
  defect: 'https_needs_connect',
  status: 400,
  explanation:
    'https is not spoken on behalf of a client; open a tunnel with CONNECT and speak TLS inside it',
}
const pipelinedConnect: EgressDefect = {
  defect: 'pipelined_connect',
  status: 400,
  explanation: 'CONNECT came before the requests ahead of it were answered; wait for their answers',
}

/** The defects that only a forward proxy knows. */
export const proxyDefects: readonly EgressDefect[] = [
  notAProxyRequest,
  httpsNeedsConnect,
  pipelinedConnect,
]

/** One canonical request, or what is wrong. Attacker-controlled. */
export function judgeHead(req: Arrival['req'], bodyBytesMax: number): ParsedHead | EgressDefect {
  const url = req.url ?? ''
  const isConnect = req.method === 'CONNECT'
  if (!isConnect && (url.startsWith('/') || url === '*')) return notAProxyRequest
  const parsed = parseHead(req, { listener: 'proxy', scheme: 'http', bodyBytesMax })
  if (typeof parsed === 'string') return named(parsed)
  return !isConnect && parsed.request.scheme === 'https' ? httpsNeedsConnect : parsed
}

function named(defect: DefectName): EgressDefect {
  return { defect, ...defectAnswer(defect) }
}

/** Answers a request that node:http could read and we could not. */
export async function refuseMalformed(
  arrival: Arrival,
  defect: EgressDefect,
  { report, lingerMs }: { report: Report; lingerMs: number },
): Promise<void> {
  await report({ ...defect, requestLine: cleaned(requestLine(arrival.req)) }, arrival.connection)
  const answer = malformedAnswer(defect.status, defect.defect, defect.explanation)
  if (arrival.kind === 'connect') {
    respondToConnect(arrival.connection.socket, answer, lingerMs)
    return
  }
  // How its body is framed may be the very thing that is wrong: nothing behind it can be read.
  const headers = [...answer.headers, 'connection', 'close']
  respond(arrival.res, { ...answer, headers })
}

/** Answers, on the bare socket, what node:http could not read. */
export async function refuseUnreadable(
  { connection, defect, requestLine: line, busy }: Unreadable,
  { report, lingerMs }: { report: Report; lingerMs: number },
): Promise<void> {
  const malformed = defect === 'pipelined_connect' ? pipelinedConnect : named(defect)
  // What came last need not be the first line, and any other line may be a credential.
  const isFirst = line !== undefined && /^[A-Z-]{1,32} \S+ HTTP\/\d/.test(line)
  await report({ ...malformed, ...(isFirst ? { requestLine: cleaned(line) } : {}) }, connection)
  if (busy) {
    connection.cut()
    return
  }
  const answer = malformedAnswer(malformed.status, malformed.defect, malformed.explanation)
  respondToConnect(connection.socket, answer, lingerMs)
}

/** A target may hold a password (`http://user:password@host/`); the line is kept all the same, without it. */
function cleaned(line: string): string {
  return redactShapes(line.replace(/\/\/[^/@\s]*@/, '//[redacted]@'))
}
