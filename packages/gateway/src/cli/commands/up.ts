import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadConfig } from '../../config.ts'
import type { LoadedConfig } from '../../config.ts'
import { readArguments } from '../arguments.ts'
import type { CommandError } from '../errors.ts'
import { DEFAULT_CONFIG } from '../log-place.ts'
import { onStopSignal } from '../signals.ts'
import { openSupervisor } from '../supervisor.ts'
import type { Happening, Supervisor } from '../supervisor.ts'
import { DONE, print, say, sayError } from '../terminal.ts'
import type { Command, Io } from '../terminal.ts'

/** In the order of starting: each needs the one before. */
const processes = ['signer', 'ledger', 'gateway', 'reader', 'scrubber'] as const

/** Without these, everything else goes on: they are started again for as long as it takes. */
const optional: ReadonlySet<string> = new Set(['reader', 'scrubber'])

/** `countersign up`. */
export const up: Command = async (args, io) => {
  const { values } = readArguments(args, {
    command: 'up',
    options: {
      config: { type: 'string', short: 'c', default: DEFAULT_CONFIG },
      json: { type: 'boolean' },
    },
  })
  // A mistake in the file is found here, once, and not by three processes.
  const loaded = await loadConfig(resolve(values.config))
  for (const { line, message } of loaded.warnings) {
    say(io, `countersign: warning: ${values.config}:${line}: ${message}`)
  }
  // A signer on another host is started there.
  const names = processes.filter((name) => name !== 'signer' || 'key' in loaded.config.signer)
  const json = values.json === true
  const { promise: ended, resolve: end } = Promise.withResolvers<number>()
  const supervisor = openSupervisor({
    names,
    optional,
    start: (name) => startProcess(name, loaded.path),
    onHappening: (happening) => (json ? print(io, JSON.stringify(happening)) : tell(happening, io)),
    onGiveUp: (error: CommandError) => end(sayError(io, error)),
  })
  const forget = onStopSignal(() => end(DONE))
  const reload = (): void => {
    for (const name of ['gateway', 'reader']) supervisor.send(name, { kind: 'reload' })
  }
  process.on('SIGHUP', reload)
  try {
    const started = await Promise.race([
      supervisor.start().then(() => true),
      ended.then(() => false),
    ])
    if (started) announce(loaded, supervisor, { io, json })
    const code = await ended
    if (code === DONE && !json)
      say(io, `countersign: stopping: the ${names.toReversed().join(', then the ')}`)
    await supervisor.stop()
    if (code === DONE && !json) say(io, 'countersign: stopped')
    return code
  } finally {
    forget()
    process.off('SIGHUP', reload)
  }
}

/**
 * Threads on which the ledger waits for its disk. Files that are synced at the same time share a commit of the file system: with
 * Node's own 4, publication takes two to four times as long, and stands longer in the way of the write-ahead log. With more than 8
 * they wait for each other.
 */
const LEDGER_THREADS = '8'

/** Questions and files of the log wait for the disk on threads of their own, so that one does not hold up the others. */
const READER_THREADS = '8'

/** Threads that wait for disks, where Node's own number is not enough. */
const threads: Readonly<Record<string, string>> = {
  ledger: LEDGER_THREADS,
  reader: READER_THREADS,
}

/**
 * How V8 collects garbage in these processes: on the thread that makes it, and not before the heap has tripled. With its defaults
 * the ledger spent more on helper threads and full collections than on records (decision 0011).
 */
const collectorFlags = ['--single-threaded-gc', '--heap-growing-percent=200'] as const

/** Each process is this same program with another command, so that it also runs alone. */
function startProcess(name: string, config: string): ChildProcess {
  const program = fileURLToPath(new URL('../../../bin/countersign.js', import.meta.url))
  // stdout and stderr are shared: the gateway's log lines are the output of `up`.
  return fork(program, [name, '--config', config], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env:
      threads[name] === undefined
        ? process.env
        : { ...process.env, UV_THREADPOOL_SIZE: threads[name] },
    execArgv: [...process.execArgv, ...collectorFlags],
  })
}

function announce(
  loaded: LoadedConfig,
  supervisor: Supervisor,
  { io, json }: { io: Io; json: boolean },
): void {
  const { listening } = supervisor
  const { config, path } = loaded
  const data = loaded.resolve(config.data)
  if (json) {
    print(
      io,
      JSON.stringify({
        kind: 'up',
        origin: config.origin,
        config: path,
        data,
        listening,
        pids: supervisor.pids(),
      }),
    )
    return
  }
  const what: Readonly<Record<string, string>> = {
    inbound: 'requests in',
    egress: 'calls out (HTTP_PROXY)',
    admin: 'health and metrics',
    log: 'the log, read-only',
    api: 'questions to the log; a page that lists them',
  }
  say(io, `countersign: ${config.origin} is up`)
  for (const [name, url] of Object.entries(listening))
    say(io, `  ${name.padEnd(8)} ${url.padEnd(28)} ${what[name] ?? ''}`.trimEnd())
  say(io, `  ${'data'.padEnd(8)} ${data}`)
  say(io, 'countersign: Ctrl-C stops it')
}

function tell(happening: Happening, io: Io): void {
  switch (happening.kind) {
    case 'ready':
      if (happening.restarts > 0) say(io, `countersign: the ${happening.name} is back`)
      return
    case 'died':
      say(
        io,
        `countersign: warning: the ${happening.name} ended (${happening.how}): starting it again in ${happening.againInMs} ms`,
      )
      return
    case 'killed':
      say(
        io,
        `countersign: warning: the ${happening.name} did not end within ${happening.afterMs / 1000} s: killed`,
      )
  }
}
