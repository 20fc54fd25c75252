/**
 * `npm run check`: types, format, lint, dead code, and whether the packages build and pack as they should. The build
 * happens in a copy, so that no stale `dist` is left where the sources are.
 */
import { spawn } from 'node:child_process'
import { cp, mkdir, readdir, rm, symlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')
const copy = join(root, '.scratch/check')
const stepTimeoutMs = 300_000

const say = (line: string): void => void process.stdout.write(`${line}\n`)
const seconds = (sinceMs: number): string =>
  `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`

interface Step {
  readonly name: string
  readonly command: readonly [string, ...string[]]
  readonly folder?: string
}

const first: readonly Step[] = [
  { name: 'types', command: ['tsc', '--noEmit', '-p', 'tsconfig.json'] },
  {
    name: 'types of the page',
    command: ['tsc', '--noEmit', '-p', 'packages/verifier/page/tsconfig.json'],
  },
  { name: 'format', command: ['oxfmt', '--check'] },
  { name: 'lint', command: ['oxlint', '--type-aware'] },
  { name: 'dead code', command: ['knip', '--no-progress'] },
]

/** The command line from what was built, with no source in reach: imports that only a checkout resolves fail here. */
const runBuilt =
  "const { main } = await import('./packages/gateway/dist/cli.js'); process.exitCode = await main(['version'], process)"

/** Runs one command; a step that succeeds is one line, one that fails brings the tool's own words. */
async function passes({ name, command, folder = root }: Step): Promise<boolean> {
  const startedMs = performance.now()
  const [program, ...words] = command
  const child = spawn(program, words, {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: stepTimeoutMs,
  })
  let told = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (told += text))
  }
  const failure = await new Promise<string | undefined>((settle) => {
    child.once('error', (error) => settle(`could not run ${program}: ${error.message}`))
    child.once('close', (code, signal) =>
      settle(code === 0 ? undefined : `${program} ended with ${signal ?? code}`),
    )
  })
  say(`${failure === undefined ? '✔' : '✖'} ${name} (${seconds(startedMs)})`)
  if (failure === undefined) return true
  say(told.trimEnd())
  say(failure)
  return false
}

/** A copy of the sources, with links so that our packages find each other, as after an install. */
async function copySources(): Promise<string[]> {
  await rm(copy, { recursive: true, force: true })
  await mkdir(join(copy, 'node_modules/@countersign'), { recursive: true })
  for (const file of ['tsconfig.base.json', 'tsconfig.build.json', 'package.json']) {
    await cp(join(root, file), join(copy, file))
  }
  const names = await readdir(join(root, 'packages'))
  const wanted = (path: string): boolean =>
    !/\/(node_modules|dist)(\/|$)/.test(path.slice(root.length))
  for (const name of names) {
    await cp(join(root, 'packages', name), join(copy, 'packages', name), {
      recursive: true,
      filter: wanted,
    })
    const link = name === 'gateway' ? 'countersign' : `@countersign/${name}`
    await symlink(join(copy, 'packages', name), join(copy, 'node_modules', link), 'dir')
  }
  return names
}

async function main(): Promise<boolean> {
  const startedMs = performance.now()
  let good = true
  for (const step of first) good = (await passes(step)) && good

  const names = await copySources()
  const build: Step = { name: 'build', command: ['tsc', '-b', 'tsconfig.build.json'], folder: copy }
  if (await passes(build)) {
    const built = ['node', '--input-type=module', '-e', runBuilt] as const
    good = (await passes({ name: 'the built command runs', command: built, folder: copy })) && good
    for (const name of names) {
      const command = ['publint', '--strict', join('packages', name)] as const
      good = (await passes({ name: `publint ${name}`, command, folder: copy })) && good
    }
  } else good = false
  await rm(copy, { recursive: true, force: true })
  say(`${good ? 'all good' : 'not good'} (${seconds(startedMs)})`)
  return good
}

process.exitCode = (await main()) ? 0 : 1
