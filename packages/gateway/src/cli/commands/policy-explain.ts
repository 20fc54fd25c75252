import { randomUUID } from 'node:crypto'
import { resolve } from 'node:path'
import type { Actor, Captured } from '@countersign/record/vocabulary'
import { loadConfig } from '../../config.ts'
import { systemClock } from '../../platform.ts'
import { compilePolicy } from '../../policy.ts'
import type { Explanation } from '../../policy.ts'
import { readArguments, usageError } from '../arguments.ts'
import { DEFAULT_CONFIG } from '../log-place.ts'
import { ANSWER_IS_NO, DONE, escapeText, paintFor, print, printJson } from '../terminal.ts'
import type { Command, Io } from '../terminal.ts'

const options = {
  actor: { type: 'string' },
  group: { type: 'string', multiple: true },
  service: { type: 'string' },
  nobody: { type: 'boolean' },
  egress: { type: 'boolean' },
  config: { type: 'string', short: 'c', default: DEFAULT_CONFIG },
  json: { type: 'boolean' },
} as const

interface Who {
  readonly actor?: string | undefined
  readonly group?: readonly string[] | undefined
  readonly service?: string | undefined
  readonly nobody?: boolean | undefined
}

const COMMAND = 'policy'

/** `countersign policy explain`. */
export const policy: Command = async ([what, ...args], io) => {
  if (what !== 'explain')
    throw usageError(COMMAND, "could not run: what there is is 'policy explain'")
  const { values, positionals } = readArguments(args, {
    command: COMMAND,
    options,
    positionalsMin: 2,
    positionalsMax: 2,
    expects: 'a method and a URL',
  })
  const [method = '', target = ''] = positionals
  const actor = actorOf(values)
  const captured = capturedOf(method.toUpperCase(), target, values.egress === true)
  const { config } = await loadConfig(resolve(values.config), { files: 'unchecked' })
  const explanation = compilePolicy(config).explain(actor, captured)
  if (values.json === true) printJson(io, explanation)
  else tell(explanation, { who: describe(actor), what: `${captured.request.method} ${target}` }, io)
  return explanation.decision.allowed ? DONE : ANSWER_IS_NO
}

function tell(
  { decision, steps }: Explanation,
  question: { who: string; what: string },
  io: Io,
): void {
  const paint = paintFor(io.stdout)
  print(io, escapeText(`${question.who}: ${question.what}`))
  for (const { at, looked, outcome } of steps)
    print(io, escapeText(`  ${at}: ${looked}: ${outcome}`))
  const word = decision.allowed ? paint.green('allowed') : paint.red('denied')
  print(io, `${word}: ${escapeText(decision.explanation)}`)
  print(io, `  rule    ${escapeText(decision.rule)}`)
  if (decision.allowed && decision.acknowledge !== 'D0')
    print(io, `  record  ${LEVEL_WORDS[decision.acknowledge]} before anything is forwarded`)
  print(
    io,
    `  reason  ${decision.reason}${decision.wouldDeny ? ' (a stricter mode would deny it)' : ''}`,
  )
}

/** What must have become of the intent, above D0. */
const LEVEL_WORDS = { D1: 'D1, signed', D2: 'D2, witnessed by the quorum,' } as const

function actorOf({ actor, group, service, nobody }: Who): Actor {
  const given = [actor, service, nobody].filter((one) => one !== undefined).length
  if (given !== 1) {
    throw usageError(COMMAND, 'could not run: say who, once: --actor, --service or --nobody')
  }
  if (group !== undefined && actor === undefined) {
    throw usageError(COMMAND, 'could not run: --group needs --actor')
  }
  if (service !== undefined) return known('service', service, [])
  if (actor === undefined) {
    return {
      id: 'nobody',
      type: 'anonymous',
      name: '',
      groups: [],
      credential: { kind: 'none', defects: [] },
    }
  }
  const [, type, name] = /^(user|agent):(.+)$/.exec(actor) ?? []
  if (type === undefined || name === undefined) {
    throw usageError(
      COMMAND,
      `could not run: '${actor}' is not an actor`,
      "write it as 'user:alice'",
    )
  }
  return known(type === 'user' ? 'user' : 'agent', name, group ?? [])
}

function known(type: 'user' | 'service' | 'agent', name: string, groups: readonly string[]): Actor {
  return { id: 'explained', type, name, groups, credential: { kind: 'api_key', defects: [] } }
}

function describe({ type, name, groups }: Actor): string {
  if (type === 'anonymous') return 'nobody'
  return `${type} ${name}${groups.length === 0 ? '' : ` (${groups.join(', ')})`}`
}

/** A request as capture would offer it, from what was typed. Nothing is sent. */
function capturedOf(method: string, target: string, egress: boolean): Captured {
  if (method === 'CONNECT' && !egress)
    throw usageError(COMMAND, 'could not run: CONNECT needs --egress')
  const url = targetUrl(method, target)
  const scheme = url.protocol === 'https:' ? 'https' : 'http'
  return {
    id: randomUUID(),
    direction: egress ? 'egress' : 'inbound',
    kind: method === 'CONNECT' ? 'connect' : 'http',
    occurredNs: systemClock.nowNs(),
    request: {
      method,
      scheme,
      host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: url.port === '' ? (scheme === 'https' ? 443 : 80) : Number(url.port),
      path: method === 'CONNECT' ? '' : url.pathname,
      ...(url.search === '' ? {} : { query: url.search.slice(1) }),
      headers: [],
      body: { framing: 'none' },
    },
    trace: { id: '0'.repeat(32), span: '0'.repeat(16), flags: '00' },
    requestId: 'explained',
    peer: { address: '127.0.0.1', port: 0 },
    client: { address: '127.0.0.1', chain: [] },
    presented: {},
  }
}

function targetUrl(method: string, target: string): URL {
  const text = method === 'CONNECT' ? `https://${target}` : target
  const url = URL.parse(text)
  const isWeb = url?.protocol === 'http:' || url?.protocol === 'https:'
  if (url === null || !isWeb || (method === 'CONNECT' && !/:\d{1,5}$/.test(target))) {
    const expected = method === 'CONNECT' ? "'api.stripe.com:443'" : "'http://orders/orders/17'"
    throw usageError(
      COMMAND,
      `could not run: '${target}' is not a target`,
      `write it as ${expected}`,
    )
  }
  return url
}
