/**
 * Runs every shell block of a document, in order, in one shell and with real processes, and holds the output
 * against the text blocks that follow. Ports are exchanged for free ones; and what is said there for people, whose
 * machine is not busy, is awaited here: `sleep` until the log is published, `--retry` until the gateway is ready.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { freePorts } from './ports.ts'

const root = resolve(import.meta.dirname, '..')
/** How long a document may take. */
export const DOCUMENT_TIMEOUT_MS = 600_000
/** The shell ends before the test does, so that what it printed is told. */
const SHELL_TIMEOUT_MS = DOCUMENT_TIMEOUT_MS - 60_000

const PREAMBLE = `
# A command that fails fails the document. Jobs have numbers, as in a terminal.
set -emu
# At the end a job may still be listed that has just ended: that kill fails, and is no failure of the document.
trap 'set +e; kill $(jobs -p) 2>/dev/null; wait' EXIT
sleep() { node -C @countersign/source '${join(root, 'test', 'published.ts')}' countersign-data; }
`

/**
 * Runs one document.
 * @param path below the root of the tree.
 * @param look at what the document left in its folder, before that goes: what a shell cannot, such as in a browser.
 */
export async function checkDocument(
  path: string,
  look: (folder: string) => Promise<void> = async () => {},
): Promise<Document> {
  const document = readDocument(await readFile(join(root, path), 'utf8'))
  const outputs = await runBlocks(document.blocks, look)
  for (const [at, block] of document.blocks.entries()) holdAgainst(outputs[at] ?? '', block)
  return document
}

interface Block {
  /** First line of the block in the document, from 1. */
  readonly line: number
  readonly script: string
  /** What its output holds, in this order; `…` is anything. */
  readonly expected: readonly string[]
}

export interface Document {
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

/** Ports of the document, as `127.0.0.1:8080`, `localhost:9002` or `listen(9001`. */
function portsIn(script: string): string[] {
  const found = script.matchAll(/(?:127\.0\.0\.1:|localhost:|listen\()(\d{4,5})/g)
  return [...new Set([...found].map(([, port = '']) => port))]
}

const mark = (at: number): string => `--- block ${at} ---`

/** One shell runs them all: what a block sets, the next one has. */
async function runBlocks(
  blocks: readonly Block[],
  look: (folder: string) => Promise<void>,
): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-document-'))
  try {
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
    let script = blocks.map((block, at) => `echo '${mark(at)}'\n${block.script}\n`).join('')
    const wanted = portsIn(script)
    const free = await freePorts(wanted.length)
    script = script.replaceAll(new RegExp(wanted.join('|'), 'g'), (port) =>
      String(free[wanted.indexOf(port)]),
    )
    script = PREAMBLE + script.replaceAll(/--retry \d+ /g, `--retry ${DOCUMENT_TIMEOUT_MS / 1000} `)
    await writeFile(join(folder, 'script.sh'), script)
    const { output, code } = await run(folder)
    assert.equal(code, 0, `the shell ended with ${code}:\n${output}`)
    await look(folder)
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
  const timer = setTimeout(() => shell.kill('SIGTERM'), SHELL_TIMEOUT_MS)
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
