import assert from 'node:assert/strict'
import { glob, readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { problems } from './errors.ts'
import { allOperations } from './operations.ts'

const page = await readFile(new URL('../../../../docs/spec/api.md', import.meta.url), 'utf8')

test('the page names every operation with its action, and no other', () => {
  const said = [...page.matchAll(/^\| `([A-Z]+ \/\S*)` \| `([\w.]+)` \|/gm)].map(
    ([, request, action]) => `${request} ${action}`,
  )
  const offered = allOperations().map(
    ({ spec: { method, template, action } }) => `${method} ${template} ${action}`,
  )
  assert.deepEqual(said, offered)
})

test('the page names every error with its status', () => {
  for (const [code, { status }] of Object.entries(problems))
    assert.ok(page.includes(`| \`${code}\` | ${status} |`), code)
})

test('the page names every limit with its number', async () => {
  const limits = new Map<string, number>()
  for await (const file of glob('**/*.ts', { cwd: import.meta.dirname })) {
    const source = await readFile(new URL(file, import.meta.url), 'utf8')
    for (const [, name = '', value = ''] of source.matchAll(
      /^export const ([A-Z_]+_MAX) = ([\d_]+)$/gm,
    ))
      limits.set(name, Number(value.replaceAll('_', '')))
  }
  // Said in words, with the header that they are about.
  for (const inWords of ['PURPOSE_CHARACTERS_MAX', 'TICKET_CHARACTERS_MAX', 'LIVE_QUIET_PACES_MAX'])
    assert.ok(limits.delete(inWords), inWords)
  assert.ok(limits.size > 10)
  for (const [name, value] of limits)
    assert.match(page, new RegExp(`\`${name}\` \\| ${value.toLocaleString('en-US')} `), name)
})
