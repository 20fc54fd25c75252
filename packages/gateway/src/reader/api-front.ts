/**
 * The front of the API: listeners whose requests walk the journey, and behind them, on a socket of its own, what answers. Whoever is at
 * this machine is let in on the loopback as well, in the clear: what a certificate names is seldom 127.0.0.1.
 */
import { join } from 'node:path'
import { type InboundListening, type InboundOptions, listenInbound } from '../capture.ts'
import type { LoadedConfig } from '../config.ts'
import type { ListenerConfig } from '../config/schema.ts'
import { closeAll, readListener } from '../gateway.ts'
import type { Api } from '../report.ts'
import { openApiSocket } from './api-socket.ts'
import type { Desk } from './desk.ts'

/** Under this name the API is a service like those behind the gateway. */
export const API_SERVICE = 'countersign'

/** A free port of this machine, for whoever is on it. */
const LOCAL: ListenerConfig = { address: '127.0.0.1:0' }

export interface ApiFrontOptions {
  readonly loaded: LoadedConfig
  readonly desk: Desk
  readonly api: Api
  /** Of the reader; `api.sock` is made there. */
  readonly runDir: string
  readonly listening: Pick<InboundOptions, 'clock' | 'ids' | 'journey' | 'recordMalformed'>
}

export interface ApiFront {
  /** URL for whoever is on this machine. */
  readonly localUrl: string
  /** URL of the address that the configuration names, else the local one. */
  readonly url: string
  /** Certificates, hops and limits of another version; addresses wait for a restart. @throws {CaptureError} then nothing has changed */
  update(loaded: LoadedConfig): Promise<void>
  close(): Promise<void>
}

/** @throws {CaptureError | ReaderError} */
export async function openApiFront(options: ApiFrontOptions): Promise<ApiFront> {
  const { loaded, desk, api, runDir } = options
  const closers: (() => Promise<void>)[] = []
  try {
    const socket = await openApiSocket(join(runDir, 'api.sock'), desk, (request, asked) =>
      api.fetch(request, asked),
    )
    closers.unshift(() => socket.close())
    const wanted = loaded.config.listen.api
    const open = async (listener: ListenerConfig): Promise<InboundListening> => {
      const opened = await listen(listener, socket.path, options)
      closers.unshift(() => opened.close())
      return opened
    }
    const named = wanted === undefined ? undefined : await open(wanted)
    const local = named !== undefined && isLocal(wanted) ? named : await open(LOCAL)
    const localUrl = `http://${hostOf(local.address)}:${local.port}`
    return {
      localUrl,
      url: named === undefined ? localUrl : urlOf(named, wanted),
      async update(next) {
        const { limits, trustedHops, listen: nextListen } = next.config
        const material = nextListen.api && (await readListener(nextListen.api, next))
        if (local !== named) local.update({ limits, trustedHops })
        const tls = material?.tls
        named?.update({ limits, trustedHops, ...(tls === undefined ? {} : { tls }) })
      },
      close: () => closeAll(closers),
    }
  } catch (cause) {
    await closeAll(closers).catch(() => undefined)
    throw cause
  }
}

async function listen(
  listener: ListenerConfig,
  socketPath: string,
  { loaded, desk, listening }: ApiFrontOptions,
): Promise<InboundListening> {
  const { limits, trustedHops } = loaded.config
  return await listenInbound({
    ...listening,
    journey: (exchange) => listening.journey(desk.watch(exchange)),
    listener: await readListener(listener, loaded),
    limits,
    trustedHops,
    services: { [API_SERVICE]: { upstream: new URL(`http://${API_SERVICE}`), socketPath } },
    gatewayName: API_SERVICE,
    // By these a reader says as what it reads, and why.
    ownHeaders: true,
  })
}

/** Whether who is on this machine reaches it there, and may show it a key in the clear. */
function isLocal(listener: ListenerConfig | undefined): boolean {
  if (listener === undefined || ('tls' in listener && listener.tls !== undefined)) return false
  return /^(127\.[\d.]+|0\.0\.0\.0|localhost|\[::1?\]):\d+$/.test(listener.address)
}

function urlOf(bound: InboundListening, listener: ListenerConfig | undefined): string {
  const isTls = listener !== undefined && 'tls' in listener && listener.tls !== undefined
  return `${isTls ? 'https' : 'http'}://${hostOf(bound.address)}:${bound.port}`
}

/** What listens everywhere is asked on the loopback. */
function hostOf(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1'
  if (address === '::') return '[::1]'
  return address.includes(':') ? `[${address}]` : address
}
