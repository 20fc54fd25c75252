/** Witnesses for the ledger's tests and benches: real ones on real sockets, policies about them, and servers that do as they like. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { RequestListener } from 'node:http'
import { join } from 'node:path'
import { parseVkey, SignatureType } from '@countersign/tlog/key'
import { sha256 } from '../../cryptography.ts'
import { systemClock } from '../../platform.ts'
import { makeKey, runWitness } from '../../witness.ts'
import type { TestLog } from './setup.ts'

/** A witness as a policy names it. */
export interface TestWitness {
  readonly name: string
  readonly vkey: string
  readonly url: string
  /** Where its state is. */
  readonly statePath: string
  /** Checkpoints that it has cosigned. */
  readonly cosigned: number
  /** Stops answering; what it cosigned stays in its state. */
  stop(): Promise<void>
  /** Answers again, at the same place. */
  start(): Promise<void>
  close(): Promise<void>
}

/** Runs a witness of a log on a free port. @param options.type of its key: Ed25519 unless told otherwise. */
export async function startWitness(
  log: TestLog,
  name: string,
  {
    type = SignatureType.cosignatureV1,
    tls,
  }: {
    readonly type?: number
    /** PEM texts. */
    readonly tls?: { readonly certificate: string; readonly key: string }
  } = {},
): Promise<TestWitness> {
  const statePath = join(log.folder, `${name}.state`)
  const { skey, vkey } = makeKey(`witness.example/${name}`, type)
  let cosigned = 0
  const options = {
    keys: skey,
    statePath,
    logs: [log.vkey],
    clock: systemClock,
    onEvent: () => (cosigned += 1),
  }
  const first = await runWitness({
    ...options,
    create: true,
    listening: { address: '127.0.0.1:0', tls },
  })
  const url = first.url ?? ''
  let running: typeof first | undefined = first
  const stop = async (): Promise<void> => {
    await running?.close()
    running = undefined
  }
  return log.own({
    name,
    vkey,
    url,
    statePath,
    get cosigned() {
      return cosigned
    },
    stop,
    async start() {
      running = await runWitness({ ...options, listening: { address: new URL(url).host, tls } })
    },
    close: stop,
  })
}

/** A server that answers as a test wants, under a key that it may or may not have. */
export async function startServer(
  log: TestLog,
  name: string,
  answer: RequestListener,
): Promise<Pick<TestWitness, 'name' | 'vkey' | 'url'> & { readonly skey: string }> {
  const server = createServer(answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  log.own({
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  })
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const pair = makeKey(`witness.example/${name}`, SignatureType.cosignatureV1)
  return { name, ...pair, url: `http://127.0.0.1:${port}/` }
}

/** A policy file: these witnesses, of whom `quorum` (`all`, `any` or a number) must cosign. */
export function policyOf(
  log: Pick<TestLog, 'vkey'>,
  witnesses: readonly Pick<TestWitness, 'name' | 'vkey' | 'url'>[],
  quorum: 'all' | 'any' | number,
): string {
  const lines = witnesses.map(({ name, vkey, url }) => `witness ${name} ${vkey} ${url}`)
  const names = witnesses.map(({ name }) => name).join(' ')
  return [`log ${log.vkey}`, ...lines, `group some ${quorum} ${names}`, 'quorum some', ''].join(
    '\n',
  )
}

/** The name of a key, as it stands in notes. */
export function keyName(vkey: string): string {
  return parseVkey(vkey, sha256).name
}
