/**
 * Signer, ledger, gateway, reader and scrubber as processes of their own. Each opens what it holds, says that it is ready, waits to be
 * stopped, and ends in order. Under `up` the orders come over the IPC channel, and a channel that closes is an order too:
 * nobody is left behind.
 */
import { loadConfig } from '../../config.ts'
import type { LoadedConfig } from '../../config.ts'
import { readArguments } from '../arguments.ts'
import { isOrder } from '../ipc.ts'
import type { Ready } from '../ipc.ts'
import { DEFAULT_CONFIG } from '../log-place.ts'
import { DONE, say } from '../terminal.ts'
import type { Command, Io } from '../terminal.ts'

/** A process's work, opened. */
export interface Opened {
  /** Where it listens, by name, as URLs. */
  readonly listening: Readonly<Record<string, string>>
  /** Reads the configuration again. */
  readonly reload?: () => void
  /** Resolves when it has nothing more to do; otherwise it goes on until it is told to stop. */
  readonly ended?: Promise<void>
  close(): Promise<void>
}

/** When a process that should end does not, it is ended: its parent may be gone and wait for nothing. */
const CLOSE_TIMEOUT_MS = 25_000

export const configuredSigner: Command = processCommand(
  'signer',
  async () => (await import('../open-ledger.ts')).openSigner,
)
export const ledger: Command = processCommand(
  'ledger',
  async () => (await import('../open-ledger.ts')).openLedger,
)
export const gateway: Command = processCommand(
  'gateway',
  async () => (await import('../open-gateway.ts')).openGateway,
)

export const reader: Command = processCommand(
  'reader',
  async () => (await import('../open-reader.ts')).openReader,
)

export const scrubber: Command = async (args, io) => {
  const once = args.includes('--once') || args.includes('--status')
  if (once) return await (await import('../scrub-once.ts')).scrubOnce(args, io)
  return await scrubberProcess(args, io)
}
const scrubberProcess: Command = processCommand(
  'scrubber',
  async () => (await import('../open-scrubber.ts')).openScrubber,
)

/** Whoever would say in which order to end is gone: these pauses say it instead. */
const ORPHAN_DELAY_MS: Readonly<Record<string, number>> = {
  scrubber: 0,
  reader: 0,
  gateway: 0,
  ledger: 1000,
  signer: 2000,
}

/** How long what is left of a process that has ended its work may keep it. */
const LINGER_MS = 2000

type Open = (loaded: LoadedConfig, io: Io) => Promise<Opened>

function processCommand(name: string, load: () => Promise<Open>): Command {
  return async (args, io) => {
    const { values } = readArguments(args, {
      command: name,
      options: { config: { type: 'string', short: 'c', default: DEFAULT_CONFIG } },
    })
    process.title = `countersign ${name}`
    // From the first moment: an order to stop that comes while things open must not be lost.
    const orders = listenForOrders(name)
    try {
      const open = await load()
      const opened = await open(await loadConfig(values.config), io)
      orders.onReload(() => opened.reload?.())
      announce(name, opened, io)
      await Promise.race([orders.stop, ...(opened.ended === undefined ? [] : [opened.ended])])
      await closeInTime(name, opened, io)
      return DONE
    } finally {
      // The channel would keep this process alive; and whatever else does, its work is over.
      if (process.connected) process.disconnect()
      setTimeout(() => process.exit(), LINGER_MS).unref()
    }
  }
}

interface Orders {
  readonly stop: Promise<void>
  onReload(reload: () => void): void
}

function listenForOrders(name: string): Orders {
  const { promise: stop, resolve } = Promise.withResolvers<void>()
  let reload: () => void = () => undefined
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      // A terminal and systemd signal every process of a group: under `up`, it alone says in which order they end.
      if (!process.connected) resolve()
    })
  }
  process.on('SIGHUP', () => reload())
  process.on('disconnect', () => setTimeout(resolve, ORPHAN_DELAY_MS[name] ?? 0))
  process.on('message', (message) => {
    if (!isOrder(message)) return
    if (message.kind === 'stop') resolve()
    else reload()
  })
  return {
    stop,
    onReload: (listener) => (reload = listener),
  }
}

function announce(name: string, { listening }: Opened, io: Io): void {
  if (process.send !== undefined) {
    process.send({ kind: 'ready', listening } satisfies Ready)
    return
  }
  const places = Object.entries(listening).map(([what, url]) => `${what} ${url}`)
  say(io, `countersign: ${name} is ready${places.length === 0 ? '' : `: ${places.join(', ')}`}`)
}

async function closeInTime(name: string, opened: Opened, io: Io): Promise<void> {
  const timer = setTimeout(() => {
    say(
      io,
      `countersign: error: could not end the ${name} in ${CLOSE_TIMEOUT_MS / 1000} s: ending it now`,
    )
    process.exit(2)
  }, CLOSE_TIMEOUT_MS)
  await opened.close()
  clearTimeout(timer)
}
