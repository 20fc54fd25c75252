/**
 * The command line as text scripts: each file of `scripts/` is a session in a folder of its own. `$` is a command, `?` its exit
 * code when it is not 0, `!` a line of stderr, anything else a line of stdout; `…` stands for anything, `#` begins a comment,
 * and blank lines do not count.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { test } from 'node:test'

const root = resolve(import.meta.dirname, '../..')
const folder = join(import.meta.dirname, 'scripts')

interface Step {
  readonly line: number
  readonly command: string
  readonly stdout: string[]
  readonly stderr: string[]
  exitCode: number
}

function readScript(text: string): Step[] {
  const steps: Step[] = []
  for (const [at, line] of text.split('\n').entries()) {
    const step = steps.at(-1)
    if (line.startsWith('$ ')) {
      steps.push({ line: at + 1, command: line.slice(2), stdout: [], stderr: [], exitCode: 0 })
    } else if (line === '' || line.startsWith('#')) continue
    else if (step === undefined) assert.fail(`line ${at + 1} comes before any command`)
    else if (line.startsWith('? ')) step.exitCode = Number(line.slice(2))
    else if (line.startsWith('! ')) step.stderr.push(line.slice(2))
    else step.stdout.push(line)
  }
  return steps
}

/** Blank lines are for the eye, in scripts and in what is printed. */
function matches(lines: readonly string[], printed: string): boolean {
  const output = printed.replaceAll(/\n{2,}/g, '\n')
  const parts = lines.join('\n').split('…')
  const literal = parts.map((part) => part.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`))
  return new RegExp(`^${literal.join('.*')}\n?$`).test(output)
}

function play(step: Step, cwd: string, where: string): void {
  const path = [join(root, 'node_modules/.bin'), process.env['PATH']].join(delimiter)
  const env = { ...process.env, PATH: path, NODE_OPTIONS: '--conditions=@countersign/source' }
  const { status, stdout, stderr } = spawnSync('bash', ['-c', step.command], {
    cwd,
    env,
    encoding: 'utf8',
  })
  const what = `${where}:${step.line}: ${step.command}`
  assert.ok(
    matches(step.stderr, stderr),
    `${what}\nexpected on stderr:\n${step.stderr.join('\n')}\nand it was:\n${stderr}`,
  )
  assert.ok(
    matches(step.stdout, stdout),
    `${what}\nexpected on stdout:\n${step.stdout.join('\n')}\nand it was:\n${stdout}`,
  )
  assert.equal(status, step.exitCode, `${what}: exit code`)
}

const scripts = readdirSync(folder).filter((name) => name.endsWith('.txt'))
assert.ok(scripts.length >= 5, `saw ${scripts.length} scripts`)

for (const name of scripts) {
  test(`the session ${name} goes as written`, () => {
    const cwd = mkdtempSync(join(tmpdir(), 'countersign-script-'))
    try {
      const steps = readScript(readFileSync(join(folder, name), 'utf8'))
      assert.ok(steps.length > 2, `${name} has ${steps.length} steps`)
      for (const step of steps) play(step, cwd, name)
    } finally {
      rmSync(cwd, { recursive: true })
    }
  })
}
