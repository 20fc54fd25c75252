/** What a command line of ours could go on with: commands, options, their values, and questions as the running reader completes them. */
import { transactionFields } from '@countersign/record/transaction'
import { openApi } from './api-client.ts'
import type { Api } from './api-client.ts'
import { findApi } from './api-place.ts'
import { codeOf } from './errors.ts'
import { countIn, memberOf, textIn } from './json.ts'
import { savedQuestions } from './saved-questions.ts'
import type { ShellLine } from './shell-line.ts'
import { commandUsage, usage } from './usage.ts'

export interface Candidate {
  /** The whole word, without quotes. */
  readonly text: string
  readonly about?: string | undefined
}

/** Whoever waits is in the middle of a word. */
const PATIENCE_MS = 2000

/** Values of options, where there are few. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  '--role': ['viewer', 'owner', 'auditor', 'investigator', 'subject'],
  '--type': ['user', 'service'],
}

/** Options that take a value, by each of their spellings: help shows what one takes in capitals. */
const withValue: ReadonlyMap<string, string> = new Map(
  Object.values(commandUsage).flatMap((help) =>
    Array.from(
      help.matchAll(/^ +((?:-\w, )?--[a-z-]+(?:, --[a-z-]+)*) [A-Z]/gm),
      ([, names = '']) => names.split(', '),
    ).flatMap((names) => {
      const long = names.find((name) => name.startsWith('--')) ?? ''
      return names.map((name) => [name, name.startsWith('--') ? name : long] as const)
    }),
  ),
)

/** How many arguments stand before a question. */
const QUESTION_AFTER: Readonly<Record<string, number>> = {
  search: 0,
  tail: 0,
  top: 1,
  'questions save': 1,
  'unmask request': 0,
}

/** @param line begins with the name of the program */
export async function candidatesFor({ words, last }: ShellLine): Promise<readonly Candidate[]> {
  const [, name, ...rest] = words
  const found = name === undefined ? commands() : await argumentsOf(name, rest, last.text)
  return found.filter(({ text }) => text.startsWith(last.text) && text !== last.text)
}

function commands(): Candidate[] {
  const about = new Map(
    Array.from(usage.matchAll(/^ {2}(\S+) +(\S.*)$/gm), ([, name = '', text = '']) => [name, text]),
  )
  return [...Object.keys(commandUsage), '--help', '--version'].map((text) => ({
    text,
    about: about.get(text),
  }))
}

/** A command as far as it is written. */
interface Begun {
  /** `search`, `questions save`. */
  readonly command: string
  readonly positionals: readonly string[]
  readonly options: ReadonlyMap<string, string>
  /** The option whose value comes next. */
  readonly waiting: string | undefined
}

async function argumentsOf(
  name: string,
  rest: readonly string[],
  begun: string,
): Promise<readonly Candidate[]> {
  const help = Object.hasOwn(commandUsage, name) ? commandUsage[name] : undefined
  if (help === undefined) return []
  const line = read(name, rest, subcommandsOf(name, help))
  if (line.waiting !== undefined) return valuesOf(line.waiting, begun, line)
  const [, option, value] = /^(--[a-z-]+)=([^]*)$/.exec(begun) ?? []
  if (option !== undefined && value !== undefined) {
    const values = await valuesOf(option, value, line)
    return values.map(({ text, about }) => ({ text: `${option}=${text}`, about }))
  }
  if (begun.startsWith('-')) return optionsOf(help)
  const subcommands = subcommandsOf(name, help)
  if (subcommands.length > 0 && line.command === name) return subcommands.map((text) => ({ text }))
  const after = QUESTION_AFTER[line.command]
  const isCounted = line.command === 'top' && !line.options.has('--every')
  if (isCounted && line.positionals.length === 0) return fieldLists(begun)
  if (after === undefined) return []
  const before = line.command === 'top' && !isCounted ? 0 : after
  return line.positionals.length === before ? questions(begun, line) : []
}

function read(name: string, rest: readonly string[], subcommands: readonly string[]): Begun {
  const options = new Map<string, string>()
  const positionals: string[] = []
  let waiting: string | undefined
  for (const word of rest) {
    if (waiting !== undefined) {
      options.set(waiting, word)
      waiting = undefined
    } else if (withValue.has(word)) waiting = withValue.get(word)
    else if (/^--[a-z]/.test(word)) {
      const [option = '', value = ''] = word.split(/=([^]*)/, 2)
      options.set(option, value)
    } else if (!/^-[a-z]$/.test(word) && word !== '--') positionals.push(word)
  }
  const [first = ''] = positionals
  const isSub = subcommands.includes(first)
  return {
    command: isSub ? `${name} ${first}` : name,
    positionals: isSub ? positionals.slice(1) : positionals,
    options,
    waiting,
  }
}

function optionsOf(help: string): Candidate[] {
  const names = Array.from(help.matchAll(/(?<![\w-])--[a-z][a-z-]*/g), ([name]) => name)
  return [...new Set([...names, '--help'])].map((text) => ({ text }))
}

function subcommandsOf(name: string, help: string): readonly string[] {
  const [uses = ''] = help.split('\n\n')
  const found = Array.from(uses.matchAll(/countersign (\S+) ([a-z|]+)(?=\s|$)/g))
  return found.flatMap(([, command, sub = '']) => (command === name ? sub.split('|') : []))
}

async function valuesOf(option: string, begun: string, line: Begun): Promise<readonly Candidate[]> {
  if (option === '--filter') return questions(begun, line)
  if (option === '--fields') return fieldLists(begun)
  if (option === '--saved') {
    return ask(line, async (api) =>
      (await savedQuestions(api)).map(({ name, text, about }) => ({
        text: name,
        about: about ?? text,
      })),
    )
  }
  return (VALUES[option] ?? []).map((text) => ({ text }))
}

/** The last of several fields with commas between them. */
function fieldLists(begun: string): Candidate[] {
  const before = begun.slice(0, begun.lastIndexOf(',') + 1)
  return Object.entries(transactionFields).map(([name, { about }]) => ({
    text: `${before}${name}`,
    about,
  }))
}

function questions(begun: string, line: Begun): Promise<readonly Candidate[]> {
  return ask(line, async (api) => {
    const found = await completions(api, begun)
    const [only] = found
    // A field alone is nothing yet: its values are what can stand there.
    if (found.length !== 1 || only === undefined || !only.text.endsWith(':')) return found
    const values = await completions(api, only.text)
    return values.length === 0 ? found : values
  })
}

async function completions(api: Api, text: string): Promise<Candidate[]> {
  const query = { q: text, at: String(text.length) }
  const answer = await (await api.ask({ path: 'complete', query })).json()
  const list = memberOf(answer, 'completions')
  return (Array.isArray(list) ? list : []).flatMap((one) => {
    const [insert, from] = [textIn(one, 'insert'), countIn(one, 'from')]
    if (insert === undefined || from === undefined) return []
    return [{ text: text.slice(0, from) + insert, about: textIn(one, 'about') }]
  })
}

/** Asks the reader that the line names. Whoever completes a word hears nothing of what went wrong: the command will say it. */
async function ask(
  { options }: Begun,
  work: (api: Api) => Promise<readonly Candidate[]>,
): Promise<readonly Candidate[]> {
  const given = (name: string): string | undefined => options.get(`--${name}`)
  try {
    const place = await findApi({
      api: given('api'),
      'key-file': given('key-file'),
      'token-file': given('token-file'),
      ca: given('ca'),
      config: given('config'),
    })
    const asker = {
      role: given('role'),
      purpose: given('purpose'),
      ticket: given('ticket'),
      approval: given('approval'),
    }
    const api = openApi(place, { asker, timeoutMs: PATIENCE_MS })
    try {
      return await work(api)
    } finally {
      api.close()
    }
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return []
  }
}
