/** Every operation of the API, in the order in which the page lists them; and the table that policy decides by. */
import type { Crud, Method, Operation } from './operation.ts'
import { aggregateOperations } from './operations/aggregate.ts'
import { languageOperations } from './operations/language.ts'
import { liveOperations } from './operations/live.ts'
import { logOperations } from './operations/logs.ts'
import { recordOperations } from './operations/records.ts'
import { savedOperations } from './operations/saved.ts'
import { searchOperations } from './operations/search.ts'
import { unmaskingOperations } from './operations/unmaskings.ts'

/** All of one API: those that count something count it for that API. */
export function allOperations(): readonly Operation[] {
  return [
    ...searchOperations,
    ...aggregateOperations,
    ...recordOperations,
    ...liveOperations(),
    ...languageOperations,
    ...savedOperations,
    ...unmaskingOperations,
    ...logOperations,
  ]
}

/** One operation, as policy needs to know it. */
export interface ApiRoute {
  readonly method: Method
  /** A route template as the configuration spells them: `/v1/records/{id}`, `{path...}` for the rest. */
  readonly template: string
  /** The permission that it asks for; the action of its record. */
  readonly action: string
  readonly crud: Crud
}

/** All operations, and the pages that describe them. HEAD is decided as GET. */
export const apiRoutes: readonly ApiRoute[] = [
  ...allOperations().map(({ spec: { method, template, action, crud } }) => ({
    method,
    template,
    action,
    crud,
  })),
  { method: 'GET', template: '/openapi.json', action: 'log.describe', crud: 'read' },
  { method: 'GET', template: '/', action: 'log.describe', crud: 'read' },
]
