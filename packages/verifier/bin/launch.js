/**
 * Starts a command of this workspace on a Node that can run it. Plain JavaScript that the oldest maintained Node reads: the machine's
 * own may be older than ours, and a checkout holds TypeScript that only a newer one runs, with the condition that selects sources.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'

const NODE_MAJOR_MIN = 24
const SOURCE_CONDITION = '@countersign/source'

/**
 * Runs a module for its effect, here or in a process that takes our place: with our arguments, terminal, signals and exit code.
 * @param {URL} packageRoot folder of the package, ending in a slash
 * @param {string} name of the module: `dist/<name>.js` where built, else `src/<name>.ts`
 */
export async function launch(packageRoot, name) {
  const built = new URL(`dist/${name}.js`, packageRoot)
  const isBuilt = existsSync(built)
  const module = isBuilt ? built : new URL(`src/${name}.ts`, packageRoot)
  const isNodeGood = Number.parseInt(process.versions.node, 10) >= NODE_MAJOR_MIN
  if (isNodeGood && isBuilt) {
    await import(module.href)
    return
  }
  const node = isNodeGood ? process.execPath : platformNode(packageRoot)
  if (node === undefined) {
    process.stderr.write(
      `countersign: error: could not start: Node ${NODE_MAJOR_MIN} is needed, and this is ${process.version}\n`,
    )
    process.stderr.write(
      `countersign: hint: install Node ${NODE_MAJOR_MIN}, or run npm install with optional dependencies\n`,
    )
    process.exitCode = 2
    return
  }
  const args = [
    ...(isBuilt ? [] : ['-C', SOURCE_CONDITION]),
    fileURLToPath(module),
    ...process.argv.slice(2),
  ]
  if (typeof process.execve === 'function') replaceProcess(node, args)
  runChild(node, args)
}

/** The Node that npm installed beside us, when there is one for this machine. */
function platformNode(packageRoot) {
  try {
    return createRequire(packageRoot).resolve(`node-${process.platform}-${process.arch}/bin/node`)
  } catch {
    return undefined
  }
}

function replaceProcess(node, args) {
  // Node says on stderr that this is experimental; nobody who runs a command wants to know.
  process.removeAllListeners('warning')
  process.execve(node, [node, ...args])
}

function runChild(node, args) {
  const child = spawn(node, args, { stdio: 'inherit' })
  // A terminal sends Ctrl-C to the child as well; it must not come twice.
  const hasTerminal = Boolean(process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY)
  const forward = (signal) => {
    if (signal !== 'SIGINT' || !hasTerminal) child.kill(signal)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2']) process.on(signal, forward)
  child.on('error', (error) => {
    process.stderr.write(`countersign: error: could not start ${node}: ${error.message}\n`)
    process.exitCode = 2
  })
  child.on('exit', (code, signal) => {
    // As a shell tells it: 128 and the number of the signal.
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0)
  })
}
