/** `/v1/questions`: questions that readers share by name. They are no evidence, and no log holds them. */
import { content, json, JSON_TYPE, negotiate } from '../answers.ts'
import { ReportError } from '../errors.ts'
import { MASKED, sealedIn } from '../mask.ts'
import { noBody, operation } from '../operation.ts'
import type { Operation } from '../operation.ts'
import type { ReportPorts, SavedQuestion } from '../ports.ts'
import { byName, none, saveBody } from '../schemas.ts'
import type { Session } from '../session.ts'

/** Saved questions in all. */
export const SAVED_QUESTIONS_MAX = 1000

const list: Operation = operation(
  {
    method: 'GET',
    template: '/v1/questions',
    action: 'log.questions.list',
    crud: 'read',
    summary: 'Saved questions',
    about: 'All, by name. The text of one that asks by a masked field is masked.',
    path: none,
    query: none,
    body: noBody,
    answers: [{ status: 200, about: 'The questions.', content: { [JSON_TYPE]: 'SavedQuestions' } }],
    example: '$API/v1/questions',
  },
  async ({ ports, session, request }) => {
    negotiate(request, [JSON_TYPE])
    const questions = await ports.questions.list()
    session.say({ rows: 0 })
    return json({ questions: questions.map((question) => visible(question, session, ports)) })
  },
)

const read: Operation = operation(
  {
    method: 'GET',
    template: '/v1/questions/{name}',
    action: 'log.questions.read',
    crud: 'read',
    summary: 'One saved question',
    about: 'By its name.',
    path: byName,
    query: none,
    body: noBody,
    answers: [{ status: 200, about: 'The question.', content: { [JSON_TYPE]: 'SavedQuestion' } }],
    example: '$API/v1/questions/denied-today',
  },
  async ({ ports, session, request, path: { name } }) => {
    negotiate(request, [JSON_TYPE])
    const question = (await ports.questions.list()).find((one) => one.name === name)
    if (question === undefined) throw missing(name)
    session.say({ rows: 0 })
    return json(visible(question, session, ports))
  },
)

const save: Operation = operation(
  {
    method: 'PUT',
    template: '/v1/questions/{name}',
    action: 'log.questions.save',
    crud: 'update',
    summary: 'Save a question',
    about: `Shared by all readers, with the pseudonym of who saved it. At most ${SAVED_QUESTIONS_MAX}; only its maker, and who sees all of the log, replaces one.`,
    path: byName,
    query: none,
    body: saveBody,
    answers: [{ status: 200, about: 'As it is saved.', content: { [JSON_TYPE]: 'SavedQuestion' } }],
    example: `$API/v1/questions/denied-today -X PUT --json '{"text":"outcome:denied since:24h"}'`,
  },
  async ({ ports, session, request, path: { name }, body: { text, about } }) => {
    negotiate(request, [JSON_TYPE])
    // What cannot be asked is not saved: it would be an error for everybody else.
    ports.language.parse(text)
    const all = await ports.questions.list()
    const before = all.find((one) => one.name === name)
    if (before === undefined && all.length >= SAVED_QUESTIONS_MAX)
      throw new ReportError(
        'REPORT_FULL',
        `could not save the question: there are ${SAVED_QUESTIONS_MAX}`,
        {
          hint: 'DELETE /v1/questions/{name} makes room',
        },
      )
    if (before !== undefined) checkMay(before, session)
    const { clock } = ports
    const by = session.context.actor.id
    const saved = {
      name,
      text,
      by,
      time: String(clock.nowNs()),
      ...(about === undefined ? {} : { about }),
    }
    await ports.questions.save(saved)
    session.say({ rows: 0, question: text })
    return json(saved)
  },
)

const remove: Operation = operation(
  {
    method: 'DELETE',
    template: '/v1/questions/{name}',
    action: 'log.questions.delete',
    crud: 'delete',
    summary: 'Delete a saved question',
    about: 'Its maker may, and who sees all of the log.',
    path: byName,
    query: none,
    body: noBody,
    answers: [{ status: 204, about: 'It is gone.', content: {} }],
    example: '$API/v1/questions/denied-today -X DELETE',
  },
  async ({ ports, session, path: { name } }) => {
    const before = (await ports.questions.list()).find((one) => one.name === name)
    if (before === undefined) throw missing(name)
    checkMay(before, session)
    await ports.questions.remove(name)
    session.say({ rows: 0 })
    return content(null, JSON_TYPE, { status: 204 })
  },
)

export const savedOperations: readonly Operation[] = [list, read, save, remove]

function checkMay({ name, by }: SavedQuestion, { access, context }: Session): void {
  if (by === context.actor.id || access.scope.kind === 'all') return
  throw new ReportError('REPORT_CONFLICT', `could not change '${name}': somebody else saved it`, {
    hint: 'save yours under another name',
  })
}

/** A question by a sealed field may hold what that field holds: a reader who may not ask it may not read it either. */
function visible(
  question: SavedQuestion,
  { access, stated, context }: Session,
  ports: ReportPorts,
): SavedQuestion {
  const isStated = access.unmask === 'with_purpose' && stated.purpose !== undefined
  const mayRead = access.unmask === 'always' || isStated || question.by === context.actor.id
  const { name, text, by, time, about } = question
  return {
    name,
    by,
    time,
    text: mayRead || !asksSealed(text, ports) ? text : MASKED,
    ...(about === undefined ? {} : { about }),
  }
}

function asksSealed(text: string, { language }: ReportPorts): boolean {
  try {
    return sealedIn(language.parse(text).filter) !== undefined
  } catch {
    // Saved under an older language: nobody knows what it asks by.
    return true
  }
}

function missing(name: string): ReportError {
  return new ReportError('REPORT_NOT_FOUND', `could not find a question '${name}'`, {
    hint: 'GET /v1/questions lists them',
  })
}
