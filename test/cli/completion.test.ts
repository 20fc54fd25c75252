/** Completion in the shells themselves: somebody types, presses the tabulator, and what was completed is what is asked. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import { openSmallApi } from '../../packages/gateway/src/cli/testing/small-api.ts'
import type { SmallApi } from '../../packages/gateway/src/cli/testing/small-api.ts'
import { findCommand } from '../setup.ts'

const bin = resolve(import.meta.dirname, '../../node_modules/.bin')

const without = (...commands: readonly string[]): string | false => {
  const absent = commands.find((command) => findCommand(command) === undefined)
  return absent === undefined ? false : `there is no ${absent} on this machine`
}

/** An API that knows how one question goes on, and what it finds: nothing. */
function apiThatCompletes(): Promise<SmallApi> {
  return openSmallApi(({ path, query }) => {
    if (path === '/v1/search') return { body: { transactions: [], role: 'auditor', masked: false } }
    if (path !== '/v1/complete') return undefined
    const isBegun = query.get('q') === 'outcome:den'
    return { body: { completions: isBegun ? [{ insert: 'denied', from: 8 }] : [] } }
  })
}

/** A folder for what a shell keeps of its own, and an environment that leads there. */
async function homeFor(t: TestContext): Promise<NodeJS.ProcessEnv> {
  const home = await mkdtemp(join(tmpdir(), 'countersign-shell-'))
  t.after(() => rm(home, { recursive: true }))
  const path = [bin, process.env['PATH'] ?? ''].join(delimiter)
  return { ...process.env, PATH: path, HOME: home, ZDOTDIR: home, TERM: 'dumb' }
}

const shells: readonly { readonly name: string; readonly start: string; readonly set: string }[] = [
  {
    name: 'bash',
    start: 'bash --norc --noprofile -i',
    set: 'eval "$(countersign completion bash)"',
  },
  {
    name: 'zsh',
    start: 'zsh -f -i',
    set: 'autoload -U compinit; compinit -u -D; eval "$(countersign completion zsh)"',
  },
]

for (const { name, start, set } of shells) {
  test(
    `a tab in ${name} completes command and question, and what is asked is that`,
    {
      skip: without('script', name),
    },
    async (t) => {
      await using api = await apiThatCompletes()
      const terminal = spawn('script', ['-qec', start, '/dev/null'], {
        env: await homeFor(t),
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      const exited = once(terminal, 'exit')
      let seen = ''
      const until = async (wanted: string): Promise<void> => {
        while (!seen.includes(wanted)) seen += String(await once(terminal.stdout, 'data'))
        seen = seen.slice(seen.indexOf(wanted) + wanted.length)
      }
      // As it is echoed it is neither the prompt nor the end.
      terminal.stdin.write(`${set}; PS1='re''ady> '\n`)
      await until('ready> ')
      terminal.stdin.write(
        `countersign sear\t--config ${api.config} 'outcome:den\t --json; echo do''ne $?\n`,
      )
      await until('done 0')
      terminal.stdin.write('exit\n')
      await exited
      const searched = api.asked.filter(({ path }) => path === '/v1/search')
      assert.deepEqual(
        searched.map(({ body }) => (body as { readonly q?: unknown }).q),
        ['outcome:denied'],
      )
    },
  )
}

test('fish completes a command, an option and a question', { skip: without('fish') }, async (t) => {
  await using api = await apiThatCompletes()
  const env = await homeFor(t)
  const completed = async (line: string): Promise<string[]> => {
    const script = `countersign completion fish | source; complete -C "${line}"`
    const { stdout } = await promisify(execFile)('fish', ['-c', script], { env })
    return stdout.split('\n')
  }
  assert.ok(
    (await completed('countersign sear')).includes('search\tfind transactions by a question'),
  )
  assert.ok((await completed('countersign search --ro')).includes('--role'))
  assert.deepEqual(await completed('countersign search --role vi'), ['viewer', ''])
  // Where nothing of ours can stand, a file can.
  assert.ok((await completed('countersign verify /et')).includes('/etc/'))
  const question = `countersign search --config ${api.config} 'outcome:den`
  assert.ok((await completed(question)).includes('outcome:denied'))
})
