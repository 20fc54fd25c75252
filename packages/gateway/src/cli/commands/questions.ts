/** `countersign questions`: the questions that readers share. */
import { apiOptions, findApi } from '../api-place.ts'
import { openApi } from '../api-client.ts'
import type { Api } from '../api-client.ts'
import { readArguments, usageError } from '../arguments.ts'
import { printCells } from '../cell-table.ts'
import { deleteQuestion, savedQuestion, savedQuestions, saveQuestion } from '../saved-questions.ts'
import { DONE, escapeText, print, printJson, say } from '../terminal.ts'
import type { Command, Io } from '../terminal.ts'

/** How many arguments each takes. */
const kinds: Readonly<Record<string, number>> = { list: 0, show: 1, save: 2, delete: 1 }

/** `countersign questions list|show|save|delete`. */
export const questions: Command = async ([what = '', ...args], io) => {
  const wanted = Object.hasOwn(kinds, what) ? kinds[what] : undefined
  if (wanted === undefined)
    throw usageError(
      'questions',
      "could not run: it is 'questions list', 'show', 'save' or 'delete'",
    )
  const { values, positionals } = readArguments(args, {
    command: 'questions',
    options: { about: { type: 'string' }, json: { type: 'boolean' }, ...apiOptions },
    positionalsMin: wanted,
    positionalsMax: wanted,
    expects: what === 'save' ? 'a name and a question' : 'the name of a question',
  })
  if (values.about !== undefined && what !== 'save')
    throw usageError('questions', 'could not run: --about goes with save')
  const [name = '', text = ''] = positionals
  const api = openApi(await findApi(values))
  try {
    if (what === 'list') await list(api, { io, json: values.json === true })
    else if (what === 'show') await show(api, { name, io, json: values.json === true })
    else if (what === 'save') {
      await saveQuestion(api, { name, text, about: values.about })
      say(io, `countersign: saved as '${escapeText(name)}'`)
    } else {
      await deleteQuestion(api, name)
      say(io, `countersign: '${escapeText(name)}' is deleted`)
    }
    return DONE
  } finally {
    api.close()
  }
}

async function list(api: Api, { io, json }: { io: Io; json: boolean }): Promise<void> {
  const all = await savedQuestions(api)
  if (json) for (const one of all) printJson(io, one)
  else if (all.length === 0) say(io, 'countersign: no question is saved')
  else {
    const lines = all.map(({ name, text, about = '' }) => [name, text, about].map(escapeText))
    printCells(io, { headings: ['name', 'question', 'about'], lines })
  }
}

async function show(
  api: Api,
  { name, io, json }: { name: string; io: Io; json: boolean },
): Promise<void> {
  const found = await savedQuestion(api, name)
  if (json) printJson(io, found)
  else print(io, escapeText(found.text))
}
