/**
 * The page at `/`: what the API offers, for people, made of the same operations as the OpenAPI document. One file without a script and
 * without anything from elsewhere; it holds nothing of the log.
 */
import { hash } from 'node:crypto'
import { parametersOf } from './openapi.ts'
import { takesBody } from './operation.ts'
import type { Operation, OperationSpec } from './operation.ts'

const STYLE = `
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #5c636b; --line: #d9dde2; --paper: #fff; --shade: #f4f6f8; --accent: #0b5fa5 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e7e9ec; --soft: #a2a9b1; --line: #363b42; --paper: #15181c; --shade: #1e2227; --accent: #7cbcf5 } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 60rem; padding: 2rem 1.25rem 4rem; font: 16px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--paper) }
h1 { font-size: 1.6rem; margin: 0 0 .25rem } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
p { margin: .5rem 0; max-width: 46rem } .soft { color: var(--soft) } a { color: var(--accent) }
code, pre { font: .875em/1.5 ui-monospace, monospace } pre { overflow-x: auto; padding: .75rem; background: var(--shade); border-radius: 6px }
details { border-top: 1px solid var(--line) } details:last-of-type { border-bottom: 1px solid var(--line) }
summary { display: grid; grid-template-columns: 4.5rem minmax(0, 1fr); gap: 0 .5rem; padding: .5rem 0; cursor: pointer; list-style: none }
summary::-webkit-details-marker { display: none }
summary:focus-visible { outline: 2px solid var(--accent) } summary:hover { background: var(--shade) }
summary .method { font-weight: 600; color: var(--accent) } summary code { overflow-wrap: anywhere }
summary .what { grid-column: 2; color: var(--soft) }
.inside { padding: 0 0 1rem 5rem } @media (max-width: 40rem) { .inside { padding-left: 0 } }
dl { margin: .5rem 0 } dt { font-weight: 600; margin-top: .5rem } dt small { font-weight: 400; color: var(--soft) } dd { margin: 0 }
`

/** Nothing is loaded, nothing runs; the style is the one in the page. */
export const PAGE_POLICY: string = `default-src 'none'; style-src 'sha256-${hash('sha256', STYLE, 'base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

/** Groups of the page, by how their paths begin; each operation is in the first that fits. */
const GROUPS: readonly (readonly [title: string, beginnings: readonly string[]])[] = [
  ['Ask', ['/v1/search', '/v1/aggregate', '/v1/live', '/v1/traces', '/v1/fields', '/v1/complete']],
  ['Records and proofs', ['/v1/records', '/v1/logs', '/v1/status']],
  ['Who read', ['/v1/reads', '/v1/unmaskings']],
  ['Saved questions', ['/v1/questions']],
  ['More', ['/']],
]

/** The page of these operations. */
export function descriptionPage(operations: readonly Operation[]): string {
  const groups = GROUPS.map(([title, beginnings], at) => {
    const inside = operations.filter(({ spec }) => groupOf(spec) === at && beginnings.length > 0)
    return inside.length === 0 ? '' : `<h2>${text(title)}</h2>\n${inside.map(section).join('\n')}`
  })
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Countersign: ask the log</title>
<style>${STYLE}</style>
<h1>Ask the log</h1>
<p class="soft">And be on record for asking: every request here is identified, authorised and recorded, with the question, the purpose, and
which records were shown.</p>
<p>Show a key or a token; say why, where you want to see what is sealed. What you may not see is <code>[masked]</code>, not missing.</p>
<pre>API=http://127.0.0.1:8084
curl -G -H "x-api-key: $KEY" -H 'countersign-purpose: case 7' \\
  $API/v1/search --data-urlencode 'q=outcome:denied since:1h'</pre>
<p>The same for programs: <a href="/openapi.json">openapi.json</a> (OpenAPI 3.1).</p>
${groups.filter((group) => group !== '').join('\n')}
</html>
`
}

function groupOf({ template }: OperationSpec): number {
  return GROUPS.findIndex(([, beginnings]) => beginnings.some((one) => template.startsWith(one)))
}

function section({ spec }: Operation): string {
  const { method, template, summary, about, action, answers, example } = spec
  const parameters = [...parametersOf(spec.path, 'path'), ...parametersOf(spec.query, 'query')]
  const body = takesBody(spec) ? parametersOf(spec.body, 'query') : []
  return `<details>
<summary><span class="method">${method}</span><code>${text(template)}</code><span class="what">${text(summary)}</span></summary>
<div class="inside">
<p>${code(about)}</p>
<p class="soft">On record as <code>${text(action)}</code>${spec.prefers === undefined ? '' : `, for the role ${text(spec.prefers)}`}.</p>
${list('Parameters', parameters)}${list('Body, as JSON', body)}
<dl>${answers.map((answer) => `<dt>${answer.status} <small>${text(Object.keys(answer.content).join(', '))}</small></dt><dd>${code(answer.about)}</dd>`).join('')}</dl>
<pre>curl -H "x-api-key: $KEY" ${text(example)}</pre>
</div>
</details>`
}

function list(title: string, parameters: readonly Readonly<Record<string, unknown>>[]): string {
  if (parameters.length === 0) return ''
  const rows = parameters.map(({ name, required, description, schema }) => {
    const kind = [typeText(schema), required === true ? 'required' : ''].filter(Boolean).join(', ')
    return `<dt><code>${text(String(name))}</code> <small>${text(kind)}</small></dt><dd>${code(typeof description === 'string' ? description : '')}</dd>`
  })
  return `<p><strong>${text(title)}</strong></p><dl>${rows.join('')}</dl>`
}

function typeText(schema: unknown): string {
  if (typeof schema !== 'object' || schema === null) return ''
  if ('enum' in schema && Array.isArray(schema.enum)) return schema.enum.join(' | ')
  return 'type' in schema && typeof schema.type === 'string' ? schema.type : ''
}

/** What stands in backticks is code. */
function code(sentence: string): string {
  return text(sentence).replaceAll(/`([^`]*)`/g, '<code>$1</code>')
}

function text(raw: string): string {
  return raw
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
