import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import fc from 'fast-check'
import { inBash, readLine } from './shell-line.ts'

test('a line is read as a shell reads it', () => {
  const lines: readonly (readonly [string, readonly string[], string, string?])[] = [
    ['countersign', [], 'countersign'],
    ['countersign ', ['countersign'], ''],
    ['countersign  sea', ['countersign'], 'sea'],
    [`c search 'a b'`, ['c', 'search'], 'a b'],
    [`c search 'outcome:den`, ['c', 'search'], 'outcome:den', "'"],
    [`c search "label:pii 'x`, ['c', 'search'], "label:pii 'x", '"'],
    [`c --since='2`, ['c'], '--since=2', "'"],
    ['c a\\ b', ['c'], 'a b'],
    ['c "a\\"b\\c', ['c'], 'a"b\\c', '"'],
    ['true; c keys ', ['c', 'keys'], ''],
    ['cat x | c ver', ['c'], 'ver'],
    ['c \\', ['c'], ''],
  ]
  for (const [line, words, text, quote] of lines) {
    const read = readLine(line)
    assert.deepEqual(
      [read.words, read.last.text, read.last.open?.quote],
      [words, text, quote],
      line,
    )
  }
})

/** What could do something else than stand there, and what a terminal would obey. */
const HOSTILE = [
  '$(touch pwned)',
  '`touch pwned`',
  '$HOME',
  'a b',
  "o'brien",
  'say "hi"',
  'back\\slash',
  '*',
  '~',
  '{a,b}',
  'a;b|c&d',
  '>out',
  '#no',
  'wow!',
  'é 日本 😀',
]

test('whatever is completed, bash reads it as that word, and runs nothing', () => {
  const begun = ['', "'", '"', "'actor:", '"actor:', 'actor:', '--filter=', 'actor\\:']
  const checked: { readonly written: string; readonly wanted: string }[] = []
  for (const start of begun) {
    const { last } = readLine(`c ${start}`)
    for (const value of HOSTILE) {
      const wanted = last.text + value
      const written = inBash(last, wanted)
      if (written === undefined) continue
      // Readline puts it behind the quote, or behind the last of its word breaks, and closes a quote.
      const kept =
        last.open === undefined
          ? (/^.*[@=:]/s.exec(last.raw)?.[0] ?? '')
          : last.raw.slice(0, last.raw.indexOf(last.open.quote) + 1)
      checked.push({ written: kept + written + (last.open?.quote ?? ''), wanted })
    }
  }
  assert.ok(checked.length > 80)
  const script = checked.map(({ written }) => `printf '%s\\0' ${written}`).join('\n')
  const out = execFileSync('bash', ['--norc', '-c', script], { cwd: '/', encoding: 'utf8' })
  assert.deepEqual(
    out.split('\0').slice(0, -1),
    checked.map(({ wanted }) => wanted),
  )
})

test('what a terminal would obey is never offered', () => {
  for (const value of ['\u001B[2J', 'a\nb', '\u202Egnp', '\u009B1m', '\u2028', '\uD800'])
    for (const start of ['', "'", '"']) assert.equal(inBash(readLine(start).last, value), undefined)
})

test('any line can be read, and what is typed is the end of its last word', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (line) => {
      const { last } = readLine(line)
      assert.ok(line.endsWith(last.raw))
      assert.ok(last.text.length <= last.raw.length)
    }),
  )
})
