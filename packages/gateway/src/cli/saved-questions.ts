/** Questions that readers share, kept by the reader under a name. */
import type { Api } from './api-client.ts'
import { CommandError } from './errors.ts'
import { memberOf, textIn } from './json.ts'

export interface SavedQuestion {
  readonly name: string
  readonly text: string
  readonly about: string | undefined
  readonly by: string | undefined
  /** Nanoseconds, decimal. */
  readonly time: string | undefined
}

export async function savedQuestions(api: Api): Promise<SavedQuestion[]> {
  const list = memberOf(await (await api.ask({ path: 'questions' })).json(), 'questions')
  return Array.isArray(list) ? list.map(readQuestion) : []
}

/** @throws {CommandError} `CANNOT_RUN` when there is none of this name */
export async function savedQuestion(api: Api, name: string): Promise<SavedQuestion> {
  const found = (await savedQuestions(api)).find((one) => one.name === name)
  if (found !== undefined) return found
  throw new CommandError('CANNOT_RUN', `could not find a saved question '${name}'`, {
    hint: "'countersign questions list' lists them",
  })
}

export async function saveQuestion(
  api: Api,
  { name, text, about }: { name: string; text: string; about?: string | undefined },
): Promise<void> {
  await api.ask({ method: 'PUT', path: pathOf(name), body: { text, about }, question: text })
}

export async function deleteQuestion(api: Api, name: string): Promise<void> {
  await api.ask({ method: 'DELETE', path: pathOf(name) })
}

function pathOf(name: string): string {
  return `questions/${encodeURIComponent(name)}`
}

function readQuestion(value: unknown): SavedQuestion {
  return {
    name: textIn(value, 'name') ?? '',
    text: textIn(value, 'text') ?? '',
    about: textIn(value, 'about'),
    by: textIn(value, 'by'),
    time: textIn(value, 'time'),
  }
}
