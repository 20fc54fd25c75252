/** The traffic of the demo: eight requests, made by a real HTTP client over real sockets. */
import { request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'

/** Who the demo's callers are. Secrets; they live as long as the demo. */
export interface DemoCredentials {
  readonly aliceToken: string
  readonly expiredToken: string
  /** The key by which `orders` calls other services. */
  readonly ordersKey: string
  /** The credential by which `orders` calls out. */
  readonly ordersEgress: string
}

/** What came back, as far as the demo needs it. */
export interface Answer {
  readonly status: number
  /** The id of the transaction on the log. */
  readonly record: string | undefined
}

/** One request and how it is announced. */
export interface Scene {
  readonly who: string
  readonly what: string
  play(): Promise<Answer>
}

const REQUEST_TIMEOUT_MS = 15_000

/** The scenes, in order. `inbound` and `egress` are the URLs of the gateway's listeners. */
export function scenes(
  gateway: { inbound: string; egress: string },
  credentials: DemoCredentials,
  { paymentsPort }: { paymentsPort: number },
): Scene[] {
  return [
    ...scenesIn(gateway.inbound, credentials),
    ...scenesOut(gateway.egress, credentials, paymentsPort),
  ]
}

function scenesIn(
  inbound: string,
  { aliceToken, expiredToken, ordersKey }: DemoCredentials,
): Scene[] {
  const scene = (who: string, [method, path, headers]: [string, string, Headers]): Scene => ({
    who,
    what: `${method} ${path}`,
    play: () => send({ via: inbound, method, path, headers }),
  })
  const bearer = (token: string): Headers => ({ authorization: `Bearer ${token}` })
  return [
    scene('alice', ['GET', '/orders/17', bearer(aliceToken)]),
    // The wrong role: support may read orders, not give money back.
    scene('alice', ['POST', '/orders/17/refund', bearer(aliceToken)]),
    scene('nobody', ['GET', '/orders/17', {}]),
    scene('alice?', ['GET', '/orders/17', bearer(expiredToken)]),
    // A service calling a service that it has no business with.
    scene('orders', ['GET', '/invoices/5', { 'x-api-key': ordersKey }]),
  ]
}

function scenesOut(
  egress: string,
  { ordersEgress }: DemoCredentials,
  paymentsPort: number,
): Scene[] {
  const basic = Buffer.from(`orders:${ordersEgress}`).toString('base64')
  const scene = (what: string, request: Pick<Sending, 'method' | 'path' | 'body'>): Scene => ({
    who: 'orders',
    what: `> ${what}`,
    play: () => {
      // A proxy is told the destination in Host as well, as curl does.
      const host = request.method === 'CONNECT' ? request.path : new URL(request.path).host
      const headers = { host, 'proxy-authorization': `Basic ${basic}` }
      return send({ via: egress, ...request, headers })
    },
  })
  const charge = JSON.stringify({ amount: 1250, currency: 'EUR' })
  const payments = `http://localhost:${paymentsPort}/charges`
  return [
    scene(`POST ${payments}`, { method: 'POST', path: payments, body: charge }),
    scene('CONNECT paste.example.net:443', { method: 'CONNECT', path: 'paste.example.net:443' }),
    // What an attacker asks for first, and no rule opens.
    scene('GET http://169.254.169.254/', { method: 'GET', path: 'http://169.254.169.254/' }),
  ]
}

type Headers = Readonly<Record<string, string>>

/** One request to a listener of the gateway. `path` is what stands in the request line. */
interface Sending {
  readonly via: string
  readonly method: string
  readonly path: string
  readonly headers: Headers
  readonly body?: string
}

async function send({ via, method, path, headers, body }: Sending): Promise<Answer> {
  const { hostname, port } = new URL(via)
  const framing =
    body === undefined
      ? {}
      : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  return await new Promise((resolve, reject) => {
    const answered = (response: IncomingMessage): void => {
      const record = response.headers['countersign-record']
      resolve({
        status: response.statusCode ?? 0,
        record: typeof record === 'string' ? record : undefined,
      })
    }
    const request = httpRequest({
      hostname,
      port,
      method,
      path,
      headers: { ...headers, ...framing },
      agent: false,
      timeout: REQUEST_TIMEOUT_MS,
    })
    request.on('connect', (response, socket) => {
      socket.destroy()
      answered(response)
    })
    request.on('response', (response) => {
      response.resume()
      response.on('end', () => answered(response))
      response.on('error', reject)
    })
    request.on('timeout', () => request.destroy(new Error('could not get an answer in time')))
    request.on('error', reject)
    request.end(body)
  })
}
