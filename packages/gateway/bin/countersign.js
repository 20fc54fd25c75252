#!/usr/bin/env node
// Plain JavaScript that Node.js 20 reads too: it finds a Node.js 24, and runs the command line there.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const MAJOR = 24
// What a shell says of a process that SIGPIPE ended.
const CLOSED_PIPE = 141
const SOURCES = '@countersign/source'
// SQLite, of which only a file lock is used, still calls itself experimental on every start.
const FLAGS = ['--disable-warning=ExperimentalWarning']

const here = fileURLToPath(import.meta.url)
const sources = join(dirname(here), '../src/cli.ts')
// In a checkout the sources run as they are. Installed, they do not: types are not stripped below node_modules.
const isCheckout = existsSync(sources) && !here.includes('node_modules')
const flags = isCheckout ? [...FLAGS, '-C', SOURCES] : FLAGS
const program = isCheckout ? sources : join(dirname(here), '../dist/cli.js')

const isNew = Number(process.versions.node.split('.')[0]) >= MAJOR
if (isNew && flags.every((flag) => process.execArgv.includes(flag))) {
  // A reader such as `head` has had enough: no error. What keeps running goes on without a reader.
  const keepsRunning = ['up', 'signer', 'ledger', 'gateway', 'demo'].includes(process.argv[2])
  process.stdout.on('error', (error) => {
    if (error.code !== 'EPIPE') throw error
    if (!keepsRunning) process.exit(CLOSED_PIPE)
  })
  const { main } = await import(program)
  process.exitCode = await main(process.argv.slice(2), process)
} else {
  again(isNew ? process.execPath : packagedNode())
}

/** The Node.js that npm installed with this, for a machine whose own is older. */
function packagedNode() {
  const name = `node-${process.platform}-${process.arch}`
  try {
    return join(dirname(createRequire(here).resolve(`${name}/package.json`)), 'bin/node')
  } catch {
    console.error(
      `countersign: error: could not run on Node.js ${process.versions.node}: it needs ${MAJOR}`,
    )
    console.error(
      `countersign: hint: install Node.js ${MAJOR}, or run npm install here for the package ${name}`,
    )
    return process.exit(2)
  }
}

function again(node) {
  const args = [...flags, here, ...process.argv.slice(2)]
  // In place of this process where that is possible: no parent to pass signals through, none to outlive.
  if (typeof process.execve === 'function' && process.send === undefined) {
    process.execve(node, [node, ...args], process.env)
  }
  const stdio = process.send === undefined ? 'inherit' : ['inherit', 'inherit', 'inherit', 'ipc']
  const child = spawn(node, args, { stdio })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  if (process.send !== undefined) passMessages(child)
  child.on('error', (error) => {
    console.error(`countersign: error: could not start ${node}: ${error.message}`)
    process.exit(2)
  })
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code)
    // Ends as the child did, so that a shell sees the same.
    for (const one of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(one)
    process.kill(process.pid, signal)
  })
}

function passMessages(child) {
  child.on('message', (message) => process.send(message))
  process.on('message', (message) => child.send(message))
  process.on('disconnect', () => child.connected && child.disconnect())
}
