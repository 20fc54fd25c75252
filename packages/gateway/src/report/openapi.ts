/** The OpenAPI 3.1 document, made from the schemas that the handlers validate with. */
import { z } from 'zod'
import { LINES_TYPE, PROBLEM_TYPE } from './answers.ts'
import { takesBody } from './operation.ts'
import type { AnswerSpec, Operation, OperationSpec } from './operation.ts'
import { components } from './schemas.ts'

type Json = Readonly<Record<string, unknown>>

const statedHeaders = {
  'countersign-role':
    'By which of your roles you read: subject, viewer, owner, auditor, investigator.',
  'countersign-purpose': "Why, in 3 to 500 characters; beyond ASCII spelt UTF-8''Pr%C3%BCfung.",
  'countersign-ticket': 'A ticket of yours, up to 100 characters.',
  'countersign-approval': 'Id of an unmasking that was approved.',
} as const

/** @returns plain data, the same for the same operations */
export function openApiDocument(operations: readonly Operation[]): Json {
  return {
    openapi: '3.1.1',
    info: {
      title: 'Countersign: the log',
      version: '1',
      summary: 'Ask the log anything, and be on record for asking.',
      description:
        'Every request is itself a record: who asked, as what, why, and which records were returned. Sealed content is `[masked]` for whoever may not see it.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths: pathsOf(operations),
    components: {
      schemas: schemasOf(),
      parameters: Object.fromEntries(
        Object.entries(statedHeaders).map(([name, description]) => [
          name,
          { name, in: 'header', description, schema: { type: 'string' } },
        ]),
      ),
      responses: {
        Problem: {
          description: 'Why not (RFC 9457).',
          content: { [PROBLEM_TYPE]: { schema: reference('schemas', 'Problem') } },
        },
      },
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'A token of an issuer in the configuration.',
        },
        key: {
          type: 'apiKey',
          in: 'header',
          name: 'x-api-key',
          description: 'A key of the configuration.',
        },
        certificate: { type: 'mutualTLS' },
      },
    },
    security: [{ bearer: [] }, { key: [] }, { certificate: [] }],
  }
}

function pathsOf(operations: readonly Operation[]): Json {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const { spec } of operations) {
    const path = spec.template.replace('...}', '}')
    paths[path] = { ...paths[path], [spec.method.toLowerCase()]: operationOf(spec) }
  }
  return paths
}

function operationOf(spec: OperationSpec): Json {
  const headers = Object.keys(statedHeaders).map((name) => reference('parameters', name))
  return {
    operationId: operationId(spec),
    summary: spec.summary,
    description: `${spec.about}\n\nPermission: \`${spec.action}\`.`,
    parameters: [
      ...parametersOf(spec.path, 'path'),
      ...parametersOf(spec.query, 'query'),
      ...headers,
    ],
    ...(takesBody(spec)
      ? {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: bodySchema(spec.body) } },
          },
        }
      : {}),
    responses: {
      ...Object.fromEntries(
        spec.answers.map((answer) => [String(answer.status), responseOf(answer)]),
      ),
      default: reference('responses', 'Problem'),
    },
  }
}

/** `log.search` by GET is `log.search`; by POST `log.search.post`: ids are unique. */
function operationId({ action, method, template }: OperationSpec): string {
  return method === 'POST' && /\/(search|aggregate)$/.test(template) ? `${action}.post` : action
}

/** The parameters that an object schema stands for, as the document and the page list them. */
export function parametersOf(schema: z.ZodType, place: 'path' | 'query'): readonly Json[] {
  const { properties = {}, required = [] } = jsonSchema(schema)
  return Object.entries(properties).map(([name, property]) => {
    const { description, ...rest } = typeof property === 'object' ? property : {}
    return {
      name,
      in: place,
      required: place === 'path' || required.includes(name),
      ...(description === undefined ? {} : { description }),
      // `fields=a,b`: one parameter, parted by commas.
      ...(rest.type === 'array' ? { explode: false, style: 'form' } : {}),
      schema: rest,
    }
  })
}

function responseOf({ about, content }: AnswerSpec): Json {
  const entries = Object.entries(content).map(([type, name]) => {
    if (name !== undefined) return [type, { schema: reference('schemas', name) }]
    const description = type === LINES_TYPE ? 'One transaction a line.' : undefined
    return [type, description === undefined ? {} : { schema: { type: 'string', description } }]
  })
  return entries.length === 0
    ? { description: about }
    : { description: about, content: Object.fromEntries(entries) }
}

function bodySchema(body: z.ZodType): Json {
  const name = Object.keys(components).find((one) => components[one] === body)
  return name === undefined ? jsonSchema(body) : reference('schemas', name)
}

function schemasOf(): Json {
  const registry = z.registry<{ id: string }>()
  for (const [id, schema] of Object.entries(components)) registry.add(schema, { id })
  const { schemas } = z.toJSONSchema(registry, {
    uri: (id) => `#/components/schemas/${id}`,
    io: 'input',
  })
  return Object.fromEntries(
    // The document is one: its schemas have no addresses and no dialect of their own.
    Object.entries(schemas).map(([id, { $id: _id, $schema: _schema, ...schema }]) => [id, schema]),
  )
}

function jsonSchema(schema: z.ZodType): z.core.JSONSchema.BaseSchema {
  const {
    $schema: _schema,
    '~standard': _standard,
    ...rest
  } = z.toJSONSchema(schema, { io: 'input' })
  return rest
}

function reference(kind: 'schemas' | 'parameters' | 'responses', name: string): Json {
  return { $ref: `#/components/${kind}/${name}` }
}
