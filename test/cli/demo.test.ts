import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'node:test'

const root = resolve(import.meta.dirname, '../..')

function countersign(...args: readonly string[]): {
  status: number | null
  stdout: string
  stderr: string
} {
  const program = join(root, 'packages/gateway/bin/countersign.js')
  const options = { cwd: tmpdir(), encoding: 'utf8' } as const
  return spawnSync(
    process.execPath,
    ['--conditions=@countersign/source', program, ...args],
    options,
  )
}

test('the demo shows eight decisions, verifies its log, and any byte that is changed afterwards is found', () => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-demo-'))
  try {
    const { status, stdout, stderr } = countersign('demo', '--exit', '--dir', folder)
    assert.equal(status, 0, stdout + stderr)
    const words = [
      ...stdout.matchAll(/^ {2}(allowed|denied|blocked) .* leaf +\d+ {2}D1 signed$/gm),
    ].map(([, word]) => word)
    const expected = [
      'allowed',
      'denied',
      'denied',
      'denied',
      'denied',
      'allowed',
      'blocked',
      'blocked',
    ]
    assert.deepEqual(words, expected, stdout)
    assert.match(stdout, /log verified/)
    const wide = stdout.split('\n').filter((line) => line.length > 80 && !line.includes(folder))
    assert.deepEqual(wide, [], 'it fits a terminal of 80 columns')

    const log = /^log: (.*)$/m.exec(stdout)?.[1] ?? ''
    assert.equal(countersign('verify', log).status, 0)
    for (const file of filesBelow(join(log, 'tile'))) {
      const bytes = readFileSync(file)
      const at = Math.floor(bytes.length / 2)
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ 1
      writeFileSync(file, changed)
      const verdict = countersign('verify', log)
      writeFileSync(file, bytes)
      assert.equal(verdict.status, 1, `${file}\n${verdict.stdout}`)
      const name = file.slice(log.length + 1)
      assert.ok(verdict.stdout.includes(name), `${name} is not named:\n${verdict.stdout}`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
}

test('while the demo is up, the three questions that it prints are answered from its traffic', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-demo-'))
  const program = join(root, 'packages/gateway/bin/countersign.js')
  const node = ['--conditions=@countersign/source', program]
  // A temporary folder of its own: another demo of this user may be running.
  const env = { ...process.env, TMPDIR: folder }
  const demo = spawn(process.execPath, [...node, 'demo', '--dir', join(folder, 'demo')], { env })
  try {
    let stdout = ''
    for await (const piece of demo.stdout.setEncoding('utf8')) {
      stdout += String(piece)
      if (stdout.includes('Ctrl-C ends it')) break
    }
    assert.match(stdout, /Three questions to ask the log, whose API is http:\/\/127\.0\.0\.1:\d+/)
    const asked = [...stdout.matchAll(/^ {2}npx countersign ((?:search|top) .*)$/gm)].map(
      ([, words = '']) =>
        words.split(/ (?=(?:[^']*'[^']*')*[^']*$)/).map((word) => word.replaceAll("'", '')),
    )
    assert.equal(asked.length, 3)
    const ask = (words: readonly string[]): string => {
      const { stdout: answer, stderr } = spawnSync(process.execPath, [...node, ...words], {
        cwd: folder,
        env,
        encoding: 'utf8',
      })
      assert.equal(stderr, '')
      return answer
    }
    const denied = ask(['search', 'outcome:denied since:1h', '--json']).trimEnd().split('\n')
    assert.equal(denied.length, 6, denied.join('\n'))
    for (const line of denied)
      assert.equal((JSON.parse(line) as { outcome: string }).outcome, 'denied')
    for (const words of asked) assert.notEqual(ask(words), '', words.join(' '))
  } finally {
    demo.kill('SIGTERM')
    await once(demo, 'exit')
    assert.ok(!readdirSync(folder).some((name) => name.startsWith('countersign-demo-')))
    assert.ok(existsSync(join(folder, 'demo/countersign-data/log/checkpoint')))
    rmSync(folder, { recursive: true })
  }
})
