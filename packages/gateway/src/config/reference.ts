/** The reference of every key, made from the schema: docs/spec/configuration.md is this text, and a test says so. */
import { jsonSchema } from './json-schema.ts'
import type { SchemaNode } from './json-schema.ts'

const head = `# countersign.yaml

One file, one schema. Unknown keys are errors that name the nearest known key. Secrets are never in the file: they are
paths, relative to its folder. Durations are written \`500 ms\`, \`15 s\`, \`5 min\`, \`24 h\`, \`90 days\`; sizes \`512 B\`,
\`32 KiB\`, \`4 MiB\`, \`1 GiB\`. \`countersign config check\` prints what is in force. This page is made from the schema.

`

const tail = `
## How a request finds its route

The host decides first: services that name it under \`hosts\`, else those with the longest \`*.\` pattern above it, else
those without \`hosts\`. Among the routes of these services a literal segment beats \`{param}\`, and \`{rest...}\` comes
last; \`{param}\` is exactly one segment, \`{rest...}\` all that follows a slash. HEAD is taken by GET routes. Segments are
compared percent-decoded; for denials also without \`;parameters\`. A route with \`deny: true\` that matches wins over every other, however specific. Two routes
that take the same requests are an error.

## Who is who

The strongest proof that is presented counts: a client certificate (when \`identities\` has \`clientCertificates\`), then
\`Authorization\` (a JWT, or an API key that begins with \`csk_\`), then \`X-API-Key\`; for calls out a client certificate,
then \`Proxy-Authorization\`, then the source address. A proof that is presented and bad is never rescued by a weaker one:
the actor is then \`unknown\`, and its defects are recorded. A certificate must be signed directly by one of the
authorities; its name is the last segment of its SPIFFE URI, else a DNS name, else the CN. Names of two issuers are not
told apart by \`user:\` and \`group:\`, so configure only issuers that may name your people.

## What egress never opens

Instance metadata services, by name and by address, in every mode and however the address is written; our own
listeners; names that are neither a DNS name nor an address in canonical form. Other addresses that are not public are
opened by \`allowPrivate\` only, in every mode. A name with public and non-public addresses is refused in \`enforce\`, and
noted in \`report\` and \`open\`; of several addresses the first acceptable one, in the resolver's order, is dialled.
`

/** Markdown. */
export function renderReference(): string {
  const rows = keysOf(jsonSchema(), '')
  const lines = rows.map(({ key, node, isRequired }) => {
    const sentence = (node.description ?? '').replaceAll('|', '\\|')
    return `| \`${key}\` | ${sentence} | ${typeText(node)} | ${defaultText(node, isRequired)} |`
  })
  return `${head}| key | meaning | value | default |\n|---|---|---|---|\n${lines.join('\n')}\n${tail}`
}

/** One key of the file, as the reference lists it. */
export interface ReferenceKey {
  readonly key: string
  readonly node: SchemaNode
  readonly isRequired: boolean
}

/** Every key, nested ones with their path: `services.NAME.routes[].match`. */
export function keysOf(node: SchemaNode, prefix: string): ReferenceKey[] {
  const keys: ReferenceKey[] = []
  for (const [name, member] of Object.entries(node.properties ?? {})) {
    const key = prefix === '' ? name : `${prefix}.${name}`
    keys.push(
      { key, node: member, isRequired: node.required?.includes(name) ?? false },
      ...inside(member, key),
    )
  }
  return keys
}

function inside(node: SchemaNode, key: string): ReferenceKey[] {
  const found = [
    ...keysOf(node, key),
    ...(node.items === undefined ? [] : inside(node.items, `${key}[]`)),
    ...(typeof node.additionalProperties === 'object'
      ? inside(node.additionalProperties, `${key}.NAME`)
      : []),
    ...(node.anyOf ?? []).flatMap((branch) => inside(branch, key)),
  ]
  return found
}

function typeText(node: SchemaNode): string {
  if (node.unit !== undefined) return node.unit === 'ms' ? 'duration' : 'size'
  if (node.enum !== undefined) return node.enum.map((value) => `\`${String(value)}\``).join(', ')
  if (node.anyOf !== undefined) return [...new Set(node.anyOf.map(typeText))].join(' or ')
  if (node.type === 'array')
    return `list of ${node.items === undefined ? 'values' : typeText(node.items)}`
  if (typeof node.additionalProperties === 'object') return 'map by name'
  const names: Readonly<Record<string, string>> = {
    object: 'map',
    string: 'text',
    integer: 'whole number',
    boolean: 'true or false',
  }
  return names[node.type ?? ''] ?? node.type ?? ''
}

function defaultText(node: SchemaNode, isRequired: boolean): string {
  if (isRequired) return 'required'
  if (node.default === undefined) return ''
  const text = typeof node.default === 'string' ? node.default : JSON.stringify(node.default)
  return `\`${text}\``
}
