/** Answers of our own on the forward proxy: as a response, or straight onto the socket of a CONNECT. */
import { type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Decision } from '@countersign/record/vocabulary'
import type { Held, Observed, RecordReference } from '../exchange.ts'
import { type OwnAnswer, refusalAnswer } from '../refusal.ts'

/** A refusal as a proxy gives it: who has no standing is asked for a proxy credential, not for one of the server's. */
export function proxyRefusal(
  decision: Decision,
  record: RecordReference,
  realm: string,
): OwnAnswer {
  const answer = refusalAnswer(decision, record, realm)
  if (answer.status !== 401) return answer
  const headers: string[] = []
  for (let at = 0; at + 1 < answer.headers.length; at += 2) {
    const [name = '', value = ''] = answer.headers.slice(at, at + 2)
    if (name !== 'www-authenticate') headers.push(name, value)
  }
  headers.push('proxy-authenticate', `Basic realm="${realm}"`)
  return { ...answer, status: 407, headers }
}

/** Sends a whole answer. */
export function respond(res: ServerResponse, answer: OwnAnswer): void {
  if (res.destroyed) return
  // What is left of the request would be read as the next one.
  if (!res.req.complete) res.shouldKeepAlive = false
  res.sendDate = true
  res.writeHead(answer.status, framed(answer))
  res.end(res.req.method === 'HEAD' ? undefined : answer.body)
}

function framed({ headers, body }: OwnAnswer): string[] {
  return [...headers, 'content-length', String(Buffer.byteLength(body))]
}

/** The head of an answer to CONNECT. `headers` is flat. */
export function connectHead(status: number, headers: readonly string[]): string {
  const lines = [
    `HTTP/1.1 ${status} ${status === 200 ? 'Connection established' : (STATUS_CODES[status] ?? '')}`,
  ]
  for (let at = 0; at + 1 < headers.length; at += 2)
    lines.push(`${headers[at]}: ${headers[at + 1]}`)
  return `${lines.join('\r\n')}\r\n\r\n`
}

/** Sends a whole answer to a CONNECT and closes; a client that does not close its side is closed after `lingerMs`. */
export function respondToConnect(socket: Socket, answer: OwnAnswer, lingerMs: number): void {
  if (socket.destroyed) return
  const headers = [...framed(answer), 'date', new Date().toUTCString(), 'connection', 'close']
  socket.end(`${connectHead(answer.status, headers)}${answer.body}`)
  // Unread bytes would turn the close into a reset, and the answer might be lost with it.
  socket.resume()
  socket.setTimeout(lingerMs, () => socket.destroy())
}

/** Holds an answer until its record is durable, or sends it at once. */
export function held(
  observed: Observed,
  hold: boolean,
  end: { send(): void; abort(): void },
): Held {
  if (hold) return { observed, release: () => end.send(), abort: () => end.abort() }
  end.send()
  return { observed, release: () => {}, abort: () => end.abort() }
}
