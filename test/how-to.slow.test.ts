/** The how-to pages: those with shell blocks are run; in the others every command and option must at least exist. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { commandUsage } from '../packages/gateway/src/cli.ts'
import { checkDocument, DOCUMENT_TIMEOUT_MS } from './documents.ts'
import { verdictOf } from './page/verdict.ts'
import { findCommand } from './setup.ts'

const root = resolve(import.meta.dirname, '..')
const pages = globSync('docs/how-to/*.md', { cwd: root }).toSorted()
const textOf = (path: string): string => readFileSync(join(root, path), 'utf8')

/** What a page needs that is not on every machine. */
const needs: Readonly<Record<string, string>> = {
  'docs/how-to/convince-a-stranger.md': 'chromium',
  'docs/how-to/prove-completeness.md': 'nginx',
}

/** What a page leaves for a person to look at. */
const looks: Readonly<Record<string, (folder: string) => Promise<void>>> = {
  'docs/how-to/convince-a-stranger.md': lookInBrowser,
}

/** The page out of the bundle says of the bundle what the command line said. */
async function lookInBrowser(folder: string): Promise<void> {
  const inside = (name: string): string => join(folder, 'audit', name)
  const vkeys = readFileSync(inside('log.vkey'), 'utf8')
  const page = inside('evidence/verify.html')
  const whole = await verdictOf(page, { bundle: inside('range.zip'), vkeys })
  assert.equal(whole.tone, 'good', whole.text)
  const tampered = await verdictOf(page, { bundle: inside('tampered.zip'), vkeys })
  assert.equal(tampered.tone, 'bad', tampered.text)
  assert.match(tampered.findings.join(' '), /tile\/entries\//)
}

function whyNot(path: string): string | false {
  const command = needs[path]
  return command !== undefined && findCommand(command) === undefined ? `no ${command} here` : false
}

for (const path of pages.filter((page) => /^```sh$/m.test(textOf(page)))) {
  test(
    `every shell block of ${path} does what it says`,
    { timeout: DOCUMENT_TIMEOUT_MS, skip: whyNot(path) },
    async () => {
      const { blocks } = await checkDocument(path, looks[path])
      assert.ok(blocks.length > 0)
    },
  )
}

test('every command in the how-to pages exists, with its options', () => {
  let seen = 0
  for (const path of pages) {
    for (const [, words = ''] of textOf(path).matchAll(/^(?:\w+=\$\()?(countersign [^\n|)]+)/gm)) {
      seen += 1
      const [, name = '', ...rest] = words.trim().split(/\s+/)
      const help = commandUsage[name] ?? ''
      assert.notEqual(help, '', `${path}: ${words}`)
      for (const option of rest.filter((word) => /^--?[a-z]/.test(word))) {
        assert.match(help, new RegExp(`(^|[\\s[|])${option}\\b`, 'm'), `${path}: ${words}`)
      }
    }
  }
  assert.ok(seen >= 12, `saw ${seen} commands`)
})
