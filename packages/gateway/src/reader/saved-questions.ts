/**
 * Questions that readers share, in `state/questions.json`. No log holds them, and they are no evidence: lost with the file, they are
 * asked in full again.
 */
import { readFile } from 'node:fs/promises'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { writeDurably } from '../platform.ts'
import { codeOf, messageOf, ReaderError } from './errors.ts'

/** One question, by name. `time` is nanoseconds since the epoch, decimal. */
export interface SavedQuestion {
  readonly name: string
  readonly text: string
  readonly about?: string
  /** Pseudonym of who saved it. */
  readonly by: string
  readonly time: string
}

export interface SavedQuestions {
  list(): Promise<readonly SavedQuestion[]>
  save(question: SavedQuestion): Promise<void>
  remove(name: string): Promise<void>
}

/** @throws {ReaderError} `READER_IO` when the file is there and is no list of questions */
export async function openSavedQuestions(path: string): Promise<SavedQuestions> {
  const questions = new Map((await read(path)).map((question) => [question.name, question]))
  // One write after the other: the file is replaced as a whole.
  let last: Promise<void> = Promise.resolve()
  const write = (): Promise<void> => {
    last = last.catch(() => undefined).then(() => store(path, [...questions.values()]))
    return last
  }
  return {
    list: () =>
      Promise.resolve([...questions.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))),
    async save(question) {
      const before = questions.get(question.name)
      questions.set(question.name, question)
      await write().catch((error: unknown) => {
        restore(questions, question.name, before)
        throw error
      })
    },
    async remove(name) {
      const before = questions.get(name)
      questions.delete(name)
      await write().catch((error: unknown) => {
        restore(questions, name, before)
        throw error
      })
    },
  }
}

function restore(
  questions: Map<string, SavedQuestion>,
  name: string,
  before: SavedQuestion | undefined,
): void {
  if (before === undefined) questions.delete(name)
  else questions.set(name, before)
}

async function store(path: string, questions: readonly SavedQuestion[]): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await writeDurably(path, `${JSON.stringify(questions, null, 2)}\n`, { mode: 0o600 })
  } catch (cause) {
    throw new ReaderError('READER_IO', `could not write ${path}: ${messageOf(cause)}`, { cause })
  }
}

async function read(path: string): Promise<SavedQuestion[]> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'))
    if (!Array.isArray(value) || !value.every(isSavedQuestion))
      throw new Error('it holds something else')
    return value
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return []
    throw new ReaderError(
      'READER_IO',
      `could not read the questions in ${path}: ${messageOf(cause)}`,
      {
        cause,
        hint: 'move the file away: then there are none',
      },
    )
  }
}

function isSavedQuestion(value: unknown): value is SavedQuestion {
  return (
    typeof value === 'object' &&
    value !== null &&
    ['name', 'text', 'by', 'time'].every(
      (member) =>
        member in value &&
        typeof Object.entries(value).find(([key]) => key === member)?.[1] === 'string',
    )
  )
}
