#!/usr/bin/env node
// Plain JavaScript that Node.js 20 reads too: it finds a Node.js 24, and runs the command line there.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import module, { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const MAJOR = 24
// What a shell says of a process that SIGPIPE ended.
const CLOSED_PIPE = 141
const KEEP_RUNNING = new Set('up signer ledger gateway scrubber demo mirror witness'.split(' '))
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP']

const here = fileURLToPath(import.meta.url)
const sources = join(dirname(here), '../src/cli.ts')
// In a checkout the sources run as they are. Installed, they do not: types are not stripped below node_modules.
const isCheckout = existsSync(sources) && !here.includes('node_modules')

const isNew = Number(process.versions.node.split('.')[0]) >= MAJOR
const seesSources = !isCheckout || import.meta.resolve('@countersign/tlog/hash').endsWith('.ts')
if (isNew && seesSources) await run(isCheckout ? sources : join(dirname(here), '../dist/cli.js'))
else again(isNew ? process.execPath : packagedNode())

async function run(program) {
  // SQLite, of which only a file lock is used, calls itself experimental on every start.
  process.removeAllListeners('warning')
  process.on('warning', (warning) => {
    if (warning.name !== 'ExperimentalWarning') console.error(String(warning))
  })
  // A reader such as `head` has had enough: no error. What keeps running goes on without a reader.
  const keepsRunning = KEEP_RUNNING.has(process.argv[2])
  process.stdout.on('error', (error) => {
    if (error.code !== 'EPIPE') throw error
    if (!keepsRunning) process.exit(CLOSED_PIPE)
  })
  // What was stripped and compiled once is kept beside the packages, where only who may change these can write.
  if (isCheckout)
    module.enableCompileCache(join(dirname(here), '../../../node_modules/.cache/countersign'))
  const { main } = await import(program)
  process.exitCode = await main(process.argv.slice(2), process)
}

/** The Node.js that npm installed with this, for a machine whose own is older. */
function packagedNode() {
  const name = `node-${process.platform}-${process.arch}`
  try {
    return join(dirname(createRequire(here).resolve(`${name}/package.json`)), 'bin/node')
  } catch {
    const version = process.versions.node
    console.error(`countersign: error: could not run on Node.js ${version}: it needs ${MAJOR}`)
    console.error(`countersign: hint: install Node.js ${MAJOR}, or run npm install for ${name}`)
    return process.exit(2)
  }
}

/** Runs this file again, on the right Node.js and with the sources in sight. */
function again(node) {
  const args = [
    ...(isCheckout ? ['-C', '@countersign/source'] : []),
    here,
    ...process.argv.slice(2),
  ]
  const isForked = process.send !== undefined
  // In place of this process where that is possible: no parent to pass signals through, none to outlive.
  if (typeof process.execve === 'function' && !isForked) {
    process.removeAllListeners('warning')
    process.execve(node, [node, ...args], process.env)
  }
  const stdio = isForked ? ['inherit', 'inherit', 'inherit', 'ipc'] : 'inherit'
  const child = spawn(node, args, { stdio })
  // A terminal sends Ctrl-C to both; the commands take a second one as the first.
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal))
  if (isForked) {
    child.on('message', (message) => process.send(message))
    process.on('message', (message) => child.send(message))
    process.on('disconnect', () => child.connected && child.disconnect())
  }
  child.on('error', (error) => {
    console.error(`countersign: error: could not start ${node}: ${error.message}`)
    process.exit(2)
  })
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code)
    // Ends as the child did, so that a shell sees the same.
    for (const one of SIGNALS) process.removeAllListeners(one)
    process.kill(process.pid, signal)
  })
}
