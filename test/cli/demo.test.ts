import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
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
