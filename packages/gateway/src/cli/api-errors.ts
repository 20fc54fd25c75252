/** What the API refuses, and what keeps it from answering, as the one error of the command line. */
import { codeOf, CommandError, messageOf } from './errors.ts'
import type { Pointed } from './errors.ts'
import { countIn, memberOf, parseJson, textIn } from './json.ts'

/** What was asked: for the place in the question that an error points at. */
interface Asked {
  readonly path: string
  readonly question?: string
}

/** What an answer says went wrong: RFC 9457, or what the gateway itself says where a request did not come so far. */
interface Problem {
  readonly code?: string
  readonly detail?: string
  readonly hint?: string
  readonly at?: { readonly from: number; readonly to: number }
}

/** The error in an answer whose status is not good. */
export function apiProblem(
  status: number,
  body: string,
  { name, asked }: { name: string; asked: Asked },
): CommandError {
  const problem = readProblem(body)
  // The API speaks of headers: here they are options.
  const hint = problem.hint?.replaceAll(
    /(?:the header )?\bcountersign-(purpose|ticket|role|approval)\b/g,
    '--$1',
  )
  const said = problem.detail ?? problem.code
  const at = pointed(problem, asked)
  if (status === 401)
    return denied(said, { hint: hint ?? 'show who you are: --api with --key-file or --token-file' })
  if (status === 403) return denied(said, { hint: hint ?? roleHint, at })
  if (status === 404 && problem.code === undefined)
    return couldNot(`could not ask ${name}: it knows no '${asked.path}'`, otherVersion)
  if (at !== undefined)
    return new CommandError('USAGE', sentence(said ?? 'the question is wrong'), { at, hint })
  if (status >= 300 && status < 400)
    return couldNot(`could not ask ${name}: it leads elsewhere`, otherVersion)
  if (said === undefined)
    return couldNot(`could not ask ${name}: it answered ${status}`, otherVersion)
  return couldNot(sentence(said), hint ?? hints[problem.code ?? ''])
}

/** The error when no answer came. */
export function unreachable(name: string, cause: unknown): CommandError {
  if (cause instanceof CommandError) return cause
  const code = codeOf(cause) ?? ''
  const why = code === 'ECONNREFUSED' ? 'nothing answers there' : messageOf(cause)
  const hint =
    code === 'ECONNREFUSED' || code === 'ECONNRESET'
      ? "is the reader running? 'countersign up' starts it"
      : /CERT|SELF_SIGNED|ALTNAME|UNABLE_TO_/.test(code)
        ? 'give the authority that vouches for it with --ca FILE'
        : undefined
  return new CommandError('CANNOT_RUN', `could not reach the API at ${name}: ${why}`, {
    hint,
    cause,
  })
}

const otherVersion = 'is it the API of a countersign reader, and of this version (v1)?'
const roleHint = 'reader.access in the configuration says who may read what'

/** What the gateway says where a request did not come as far as the API, and what helps. */
const hints: Readonly<Record<string, string>> = {
  ledger_unavailable: 'a read that cannot be put on record is refused: is the ledger running?',
  upstream_unreachable: "the reader is starting, or has ended: 'countersign up' starts it again",
}

function denied(
  said: string | undefined,
  { hint, at }: { hint: string; at?: Pointed | undefined },
): CommandError {
  return new CommandError('DENIED', sentence(said ?? 'the API does not say why'), { hint, at })
}

function couldNot(message: string, hint: string | undefined): CommandError {
  return new CommandError('CANNOT_RUN', message, { hint })
}

/** Errors of the API begin as ours do; others are put behind our words. */
function sentence(said: string): string {
  return said.startsWith('could not ') ? said : `could not ask: ${said}`
}

function pointed({ at }: Problem, { question }: Asked): Pointed | undefined {
  if (at === undefined || question === undefined || at.from > question.length) return undefined
  return { text: question, from: at.from, to: at.to }
}

function readProblem(body: string): Problem {
  const value = parseJson(body)
  const code = textIn(value, 'code') ?? textIn(value, 'error')
  const detail = textIn(value, 'detail') ?? textIn(value, 'explanation') ?? textIn(value, 'title')
  const hint = textIn(value, 'hint')
  const at = memberOf(value, 'at')
  const [from, to] = [countIn(at, 'from'), countIn(at, 'to')]
  return {
    ...(code === undefined ? {} : { code }),
    ...(detail === undefined ? {} : { detail }),
    ...(hint === undefined ? {} : { hint }),
    ...(from === undefined || to === undefined ? {} : { at: { from, to } }),
  }
}
