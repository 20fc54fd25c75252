/**
 * Programs of others, each at one version, from the Go module proxy. They are kept below `node_modules/.cache`, and used
 * again when they are still what is pinned here; nothing of them is in this repository.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { findCommand } from '../setup.ts'

const root = resolve(import.meta.dirname, '../..')
const cache = join(root, 'node_modules/.cache/interop')
const INSTALL_TIMEOUT_MS = 600_000
const RUN_TIMEOUT_MS = 60_000
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024

/** The oldest Go that builds all of them. */
const goMin = { major: 1, minor: 24 }

interface Pinned {
  readonly module: string
  readonly version: string
  /** The hash of the module's content, as Go's checksum database has it. */
  readonly sum: string
}

const tessera: Pinned = {
  module: 'github.com/transparency-dev/tessera',
  version: 'v1.0.4',
  sum: 'h1:IXjGowubcLR0T3zUQrysSMKgtTh9KGKQ0iajUiubyP4=',
}
// The last release that Go 1.24 to 1.26 build: v0.10.0 asks for 1.27.
const torchwood: Pinned = {
  module: 'filippo.io/torchwood',
  version: 'v0.9.0',
  sum: 'h1:2W156cI7K3MyxEyNTuS1C9lYEW7y1u7PoHLmvgNsiZc=',
}

/** Paths of the programs. */
export interface Tools {
  /** Tessera's check of a whole log. */
  readonly fsck: string
  /** A log of Tessera's on disk, which has its checkpoints cosigned. */
  readonly logger: string
  /** Torchwood's witness. */
  readonly litewitness: string
  /** `outsider/main.go`: a few lines around torchwood and golang.org/x/mod/sumdb. */
  readonly outsider: string
}

/** What a program said, and how it ended. */
export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

let tools: Promise<Tools> | undefined

/** Installs what is not there yet; the first time it takes a minute or two. `say` is told what is used. */
export function installTools(say: (line: string) => void = () => {}): Promise<Tools> {
  return (tools ??= installAll(say))
}

/** Why these programs cannot be built here, or nothing when they can. */
export async function whyNoGo(): Promise<string | undefined> {
  if (findCommand('go') === undefined) return 'there is no go on this machine'
  const { stdout } = await go(['env', 'GOVERSION'])
  const [, major = '0', minor = '0'] = /^go(\d+)\.(\d+)/.exec(stdout) ?? []
  const enough =
    Number(major) > goMin.major || (Number(major) === goMin.major && Number(minor) >= goMin.minor)
  return enough
    ? undefined
    : `${stdout.trim()} is older than the go${goMin.major}.${goMin.minor} that they need`
}

/** Runs a program to its end; a code other than 0 is an answer, and a time-out an error. */
export async function runProgram(program: string, ...args: string[]): Promise<Ran> {
  return await new Promise((done, failed) => {
    const options = { timeout: RUN_TIMEOUT_MS, maxBuffer: OUTPUT_BYTES_MAX }
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null || typeof child.exitCode === 'number')
        done({ code: child.exitCode ?? 0, stdout, stderr })
      else failed(new Error(`could not run ${program}: ${error.message}\n${stderr}`))
    })
  })
}

async function installAll(say: (line: string) => void): Promise<Tools> {
  say(`with ${(await go(['env', 'GOVERSION'])).stdout.trim()} and node ${process.version}:`)
  const fsck = await install(tessera, 'cmd/fsck', say)
  const logger = await install(tessera, 'cmd/examples/posix-oneshot', say)
  const litewitness = await install(torchwood, 'cmd/litewitness', say)
  const outsider = join(cache, 'outsider')
  const source = join(import.meta.dirname, 'outsider')
  await go(['build', '-C', source, '-mod=readonly', '-buildvcs=false', '-o', outsider, '.'])
  for (const [, module = '', version = ''] of (await builtFrom(outsider)).matchAll(
    /^\tdep\t(\S+)\t(\S+)/gm,
  )) {
    if (module === torchwood.module || module === 'golang.org/x/mod')
      say(`  outsider     a few lines of ours around ${module} ${version}`)
  }
  return { fsck, logger, litewitness, outsider }
}

async function install(
  pinned: Pinned,
  inside: string,
  say: (line: string) => void,
): Promise<string> {
  const { module, version, sum } = pinned
  const folder = join(cache, `${module.replaceAll('/', '-')}@${version}`)
  const name = inside.slice(inside.lastIndexOf('/') + 1)
  const program = join(folder, name)
  if (!isPinned(await builtFrom(program).catch(() => ''), pinned)) {
    say(`  ${name}: go install ${module}/${inside}@${version}`)
    await mkdir(folder, { recursive: true })
    await go(['install', `${module}/${inside}@${version}`], { GOBIN: folder, GOFLAGS: '-mod=mod' })
    const built = await builtFrom(program)
    assert.ok(isPinned(built, pinned), `${name} is not ${module} ${version} ${sum}:\n${built}`)
  }
  say(`  ${name.padEnd(12)} ${module} ${version} ${sum}`)
  return program
}

/** What Go wrote into a program about the modules it is made of. */
const builtFrom = async (program: string): Promise<string> =>
  (await go(['version', '-m', program])).stdout

const isPinned = (built: string, { module, version, sum }: Pinned): boolean =>
  built.includes(`\tmod\t${module}\t${version}\t${sum}\n`)

async function go(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ stdout: string }> {
  return await promisify(execFile)('go', [...args], {
    // Neither a workspace nor flags of this machine's user have a say in what is built.
    env: { ...process.env, GOWORK: 'off', GOFLAGS: '', ...env },
    cwd: root,
    timeout: INSTALL_TIMEOUT_MS,
    maxBuffer: OUTPUT_BYTES_MAX,
  })
}
