/**
 * The HTTP API of the log: a request that the journey let through -> an answer, and what is said of it. The order is the guarantee: by
 * which access it is read is known before it is looked at, and what was returned is said before the last byte.
 */
import { Hono } from 'hono'
import { content, json, problem } from './answers.ts'
import { isInternal, ReportError } from './errors.ts'
import type { Operation } from './operation.ts'
import { allOperations } from './operations.ts'
import { openApiDocument } from './openapi.ts'
import { descriptionPage, PAGE_POLICY } from './page.ts'
import type { ReadContext, ReportPorts } from './ports.ts'
import { closedSession, openSession } from './session.ts'
import type { Session } from './session.ts'

/** The API: a web-standard handler. Never rejects: what goes wrong is an answer. */
export interface Api {
  fetch(request: Request, context: ReadContext): Promise<Response>
}

type Bindings = { Bindings: { context: ReadContext } }

/** Builds the API on what the reader process hands it. */
export function createApi(ports: ReportPorts): Api {
  const app = new Hono<Bindings>({ strict: true })
  const operations = allOperations()
  const document = openApiDocument(operations)
  const page = descriptionPage(operations)
  app.get('/openapi.json', () => json(document))
  app.get('/', () =>
    content(page, 'text/html; charset=utf-8', {
      headers: { 'content-security-policy': PAGE_POLICY },
    }),
  )
  const methods = new Map<string, string[]>([
    ['/openapi.json', ['GET', 'HEAD']],
    ['/', ['GET', 'HEAD']],
  ])
  for (const operation of operations) {
    const path = honoPath(operation.spec.template)
    const { method } = operation.spec
    const allowed = methods.get(path) ?? []
    methods.set(path, [...allowed, method, ...(method === 'GET' ? ['HEAD'] : [])])
    app.on(method, path, (c) => {
      const { context } = c.env
      return answer(ports, { operation, request: c.req.raw, pathTexts: c.req.param(), context })
    })
  }
  for (const [path, allowed] of methods)
    app.all(path, (c) =>
      refuse(ports, { request: c.req.raw, context: c.env.context, error: notAllowed(allowed) }),
    )
  app.notFound((c) =>
    refuse(ports, { request: c.req.raw, context: c.env.context, error: notFound() }),
  )
  app.onError((error, c) => refuse(ports, { request: c.req.raw, context: c.env.context, error }))
  return { fetch: async (request, context) => fetchWith(app, request, context) }
}

async function fetchWith(
  app: Hono<Bindings>,
  request: Request,
  context: ReadContext,
): Promise<Response> {
  if (request.method !== 'HEAD') return app.fetch(request, { context })
  const { headers, signal } = request
  const whole = await app.fetch(new Request(request.url, { headers, signal }), { context })
  // What a stream would have sent is not sent: it hears of that, and says so.
  await whole.body?.cancel()
  return new Response(null, { status: whole.status, headers: whole.headers })
}

interface Matching {
  readonly operation: Operation
  readonly request: Request
  readonly pathTexts: Readonly<Record<string, string>>
  readonly context: ReadContext
}

async function answer(ports: ReportPorts, matching: Matching): Promise<Response> {
  const { operation, request, pathTexts, context } = matching
  let session: Session | undefined
  try {
    const { headers } = request
    session = openSession(ports, context, { headers, prefers: operation.spec.prefers })
    const response = await operation.run({ ports, session, request, pathTexts })
    // An answer that shows nothing of the log is a read of nothing. A stream says itself what it sent.
    if (!(response.body instanceof ReadableStream && isStream(response))) session.say({ rows: 0 })
    return response
  } catch (error) {
    return refuse(ports, { request, context, error, session })
  }
}

/** Refusals are on record as reads of nothing: whoever tries what they may not is seen trying. */
function refuse(
  ports: ReportPorts,
  refusal: {
    request: Request
    context: ReadContext
    error: unknown
    session?: Session | undefined
  },
): Response {
  const { context, error } = refusal
  if (isInternal(error)) ports.failed(error, context.record)
  const isBelow = new URL(refusal.request.url).pathname.startsWith('/v1/')
  const session = refusal.session ?? (isBelow ? closedSession(ports, context) : undefined)
  session?.say({ rows: 0, unmasked: false })
  return problem(error)
}

function isStream(response: Response): boolean {
  const type = response.headers.get('content-type') ?? ''
  return type.startsWith('application/x-ndjson')
}

/** `/v1/logs/{n}/tile/{path...}` as Hono spells it. */
function honoPath(template: string): string {
  return template.replaceAll(/\{([a-z]+)\.\.\.\}/g, ':$1{.+}').replaceAll(/\{([a-z]+)\}/g, ':$1')
}

function notFound(): ReportError {
  return new ReportError('REPORT_NOT_FOUND', 'could not find that: there is no such path', {
    hint: '/ lists what there is; /openapi.json says it to machines',
  })
}

function notAllowed(methods: readonly string[]): ReportError {
  const allow = methods.toSorted().join(', ')
  return new ReportError('REPORT_METHOD', `could not do that: there is ${allow} here`, {
    headers: { allow },
  })
}
