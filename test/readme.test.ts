/**
 * Runs every shell block of README.md, and of some how-to pages, in order, in one shell and with real processes, and holds the
 * output against the text blocks that follow. Only ports are exchanged for free ones.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { glob, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { commandUsage } from '../packages/gateway/src/cli.ts'
import { findCommand } from './setup.ts'

const root = resolve(import.meta.dirname, '..')
const TIMEOUT_MS = 110_000

interface Block {
  /** First line of the block in the document, from 1. */
  readonly line: number
  readonly script: string
  /** What its output holds, in this order; `…` is anything. */
  readonly expected: readonly string[]
}

interface Document {
  readonly blocks: readonly Block[]
  /** Commands shown as indented text: CI runs these, not this test. */
  readonly skipped: readonly string[]
}

function readDocument(text: string): Document {
  const blocks: Block[] = []
  const fence = /^```(\w*)\n(.*?)^```$/gms
  for (const [whole, language = '', body = ''] of text.matchAll(fence)) {
    const at = text.indexOf(whole)
    const line = text.slice(0, at).split('\n').length + 1
    const before = blocks.at(-1)
    if (language === 'sh') blocks.push({ line, script: body, expected: [] })
    else if (before !== undefined && language === 'text') {
      blocks[blocks.length - 1] = { ...before, expected: body.trimEnd().split('\n') }
    } else assert.ok(language === 'text', `a block at line ${line} of language '${language}'`)
  }
  const skipped = [...text.matchAll(/^ {4}(npm [^#\n]*?) *(?:#.*)?$/gm)].map(
    ([, command = '']) => command,
  )
  return { blocks, skipped }
}

async function freePorts(wanted: readonly string[]): Promise<Map<string, string>> {
  const servers = wanted.map(() => createServer())
  const free = await Promise.all(
    servers.map(
      (server) =>
        new Promise<string>((done) => {
          server.listen(0, '127.0.0.1', () => {
            const address = server.address()
            done(typeof address === 'object' && address !== null ? String(address.port) : '')
          })
        }),
    ),
  )
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))))
  return new Map(wanted.map((port, at) => [port, free[at] ?? port]))
}

/** Ports of the document, as `127.0.0.1:8080`, `localhost:9002` or `listen(9001`. */
function portsIn(script: string): string[] {
  const found = script.matchAll(/(?:127\.0\.0\.1:|localhost:|listen\()(\d{4,5})/g)
  return [...new Set([...found].map(([, port = '']) => port))]
}

const mark = (at: number): string => `--- block ${at} ---`

/** One shell runs them all: what a block sets, the next one has. */
async function runBlocks(blocks: readonly Block[]): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-readme-'))
  try {
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
    // `set -e`: a command that fails fails the document. `-m`: jobs have numbers, as in a terminal.
    // What the trap ends may be gone already: that is no failure of the document.
    let script = `set -emu\ntrap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT\n`
    for (const [at, block] of blocks.entries()) script += `echo '${mark(at)}'\n${block.script}\n`
    for (const [port, free] of await freePorts(portsIn(script)))
      script = script.replaceAll(port, free)
    await writeFile(join(folder, 'script.sh'), script)
    const { output, code } = await run(folder)
    assert.equal(code, 0, `the shell ended with ${code}:\n${output}`)
    return blocks.map((_, at) => output.split(`${mark(at)}\n`)[1]?.split(mark(at + 1))[0] ?? '')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function run(folder: string): Promise<{ output: string; code: number | null }> {
  const shell = spawn('bash', ['script.sh'], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const collect = (piece: Buffer): void => {
    output += piece.toString()
  }
  shell.stdout.on('data', collect)
  shell.stderr.on('data', collect)
  const timer = setTimeout(() => shell.kill('SIGTERM'), TIMEOUT_MS)
  return await new Promise((done) => {
    shell.on('close', (code) => {
      clearTimeout(timer)
      done({ output, code })
    })
  })
}

/** Lines in order, gaps between them allowed; spaces count as one. */
function holdAgainst(output: string, { line, expected }: Block): void {
  const lines = output.split('\n').map((one) => one.replaceAll(/\s+/g, ' ').trim())
  let from = 0
  for (const wanted of expected) {
    const parts = wanted
      .trim()
      .split('…')
      .map((part) =>
        part.replaceAll(/\s+/g, ' ').replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`),
      )
    const pattern = new RegExp(`^${parts.join('.*')}$`)
    const at = lines.findIndex((one, n) => n >= from && pattern.test(one))
    assert.ok(
      at >= 0,
      `the block at line ${line} should print\n  ${wanted}\nand printed\n${output}`,
    )
    from = at + 1
  }
}

async function checkDocument(path: string): Promise<Document> {
  const document = readDocument(await readFile(join(root, path), 'utf8'))
  const outputs = await runBlocks(document.blocks)
  for (const [at, block] of document.blocks.entries()) holdAgainst(outputs[at] ?? '', block)
  return document
}

test('every shell block of the README does what it says', { timeout: TIMEOUT_MS }, async () => {
  const { blocks, skipped } = await checkDocument('README.md')
  assert.ok(blocks.length >= 14, `saw ${blocks.length} blocks`)
  assert.deepEqual(skipped, ['npm install && npm start', 'npm install && npm test'])
})

test(
  'every shell block of the page on completeness does what it says',
  { timeout: TIMEOUT_MS, skip: findCommand('nginx') === undefined ? 'no nginx here' : false },
  async () => {
    const { blocks } = await checkDocument('docs/how-to/prove-completeness.md')
    assert.equal(blocks.length, 4)
  },
)

test('every command in the how-to pages exists, with its options', async () => {
  let seen = 0
  for await (const path of glob('docs/how-to/*.md', { cwd: root })) {
    const text = await readFile(join(root, path), 'utf8')
    for (const [, words = ''] of text.matchAll(/^(?:\w+=\$\()?(countersign [^\n|)]+)/gm)) {
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
