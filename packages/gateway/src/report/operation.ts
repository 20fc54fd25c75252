/** An operation of the API: what it is called, what it takes and gives, and who does it. */
import { z } from 'zod'
import type { LogRole } from '@countersign/record/reading'
import type { ReportPorts } from './ports.ts'
import type { Session } from './session.ts'
import { readJson, validated, valuesOf } from './input.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'
export type Crud = 'create' | 'read' | 'update' | 'delete'

/** One representation of an answer, or one answer. */
export interface AnswerSpec {
  readonly status: number
  readonly about: string
  /** By media type; a name of `components`, or none for bytes and text. */
  readonly content: Readonly<Record<string, string | undefined>>
}

/** What is documented of an operation, and validated with. */
export interface OperationSpec<Path = unknown, Query = unknown, Body = unknown> {
  readonly method: Method
  /** As in OpenAPI; `{path...}` takes the rest. */
  readonly template: string
  /** As policy and the record call it. */
  readonly action: string
  readonly crud: Crud
  /** The role that it is for, where it is for one. */
  readonly prefers?: LogRole
  readonly summary: string
  readonly about: string
  readonly path: z.ZodType<Path>
  readonly query: z.ZodType<Query>
  /** `noBody` where the operation takes none. */
  readonly body: z.ZodType<Body>
  readonly answers: readonly AnswerSpec[]
  /** What could follow `curl`, with `$API` for where the API is. */
  readonly example: string
}

/** What a handler gets. */
export interface Call<Path, Query, Body> {
  readonly ports: ReportPorts
  readonly session: Session
  readonly request: Request
  readonly path: Path
  readonly query: Query
  readonly body: Body
}

/** A request that was matched to its operation, before it is read. */
export interface Matched {
  readonly ports: ReportPorts
  readonly session: Session
  readonly request: Request
  readonly pathTexts: Readonly<Record<string, string>>
}

/** For operations that take no body: what is sent all the same is not read. */
export const noBody: z.ZodType<undefined> = z.undefined()

export interface Operation {
  readonly spec: OperationSpec
  run(matched: Matched): Promise<Response>
}

/** Binds a handler to what it takes, so that none sees what was not validated. */
export function operation<Path, Query, Body>(
  spec: OperationSpec<Path, Query, Body>,
  handle: (call: Call<Path, Query, Body>) => Promise<Response>,
): Operation {
  return {
    spec,
    async run({ ports, session, request, pathTexts }) {
      const path = validated(spec.path, valuesOf(spec.path, Object.entries(pathTexts)), 'path')
      const { searchParams } = new URL(request.url)
      const query = validated(spec.query, valuesOf(spec.query, searchParams), 'query')
      const raw = takesBody(spec) ? await readJson(request) : undefined
      const body = validated(spec.body, raw, 'body')
      return handle({ ports, session, request, path, query, body })
    },
  }
}

/** Whether an operation reads a body. */
export function takesBody({ body }: Pick<OperationSpec, 'body'>): boolean {
  return body !== noBody
}
