/**
 * The signer: a process of its own that holds the log's key, and signs only what continues what it signed before. Its API is
 * that of a witness (c2sp.org/tlog-witness v1.0.0), so root on the gateway can ask, but cannot make it forget.
 */
import { unlink } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { join } from 'node:path'
import {
  ADD_CHECKPOINT_BYTES_MAX,
  formatLatestSize,
  parseAddCheckpoint,
  TLOG_SIZE_TYPE,
} from '@countersign/tlog/add-checkpoint'
import type { AddCheckpoint } from '@countersign/tlog/add-checkpoint'
import { parseCheckpoint } from '@countersign/tlog/checkpoint'
import { TlogError } from '@countersign/tlog/errors'
import { parseSkey, parseVkey } from '@countersign/tlog/key'
import type { SignerKey, VerifierKey } from '@countersign/tlog/key'
import { openNote, parseNote, signNote } from '@countersign/tlog/note'
import { verifyWitnessConsistency } from '@countersign/tlog/proof'
import { toTreeSize } from '@countersign/tlog/size'
import { ed25519PublicKey, ed25519Sign, ed25519Verify, sha256 } from '../platform.ts'
import { LedgerError, messageOf } from './errors.ts'
import { takeLock } from './lock.ts'
import { SignerState } from './signer-state.ts'

const HEADERS_TIMEOUT_MS = 5_000
const REQUEST_TIMEOUT_MS = 10_000
const CONNECTIONS_MAX = 64

export interface SignerOptions {
  /** The log's private key (skey text, type 0x01); its name is the origin. */
  readonly key: string
  /** Made by `createSignerState`. */
  readonly stateDir: string
  /** The ledger's public key (vkey text): only what it signed is considered. */
  readonly sequencerVkey: string
  readonly origin: string
  /** The unix socket to listen on. */
  readonly socketPath: string
  /** Called once with an error after which the process must end. By default it is printed and the process exits with 2. */
  readonly onFatal?: (error: LedgerError) => void
}

export interface RunningSigner {
  readonly socketPath: string
  close(): Promise<void>
}

interface Answer {
  readonly status: 200 | 400 | 403 | 404 | 409 | 422
  readonly body: string
}

/**
 * Runs the signer of one log in this process.
 * @throws {LedgerError} `SIGNER_STATE`, `LEDGER_IN_USE`; {TlogError} for a key that is none.
 */
export async function runSigner(options: SignerOptions): Promise<RunningSigner> {
  const key = parseSkey(options.key, sha256, ed25519PublicKey)
  if (key.name !== options.origin) {
    throw new LedgerError(
      'SIGNER_STATE',
      `could not run the signer: its key is for ${key.name}, not ${options.origin}`,
    )
  }
  const sequencerKey = parseVkey(options.sequencerVkey, sha256)
  const lock = takeLock(join(options.stateDir, 'signer.lock'), 'the signer')
  try {
    const state = SignerState.open(options)
    const desk = new Desk({ key, sequencerKey, state, onFatal: options.onFatal ?? exit })
    const server = createServer(
      { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS },
      (request, response) => {
        serve(desk, request, response).catch(() => response.destroy())
      },
    )
    server.maxConnections = CONNECTIONS_MAX
    // We hold the lock, so a socket that is there is what a killed process left.
    await unlink(options.socketPath).catch(() => undefined)
    await listen(server, options.socketPath)
    let closing: Promise<void> | undefined
    const close = async (): Promise<void> => {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
      await desk.idle()
      state.close()
      lock.release()
    }
    return { socketPath: options.socketPath, close: async () => (closing ??= close()) }
  } catch (error) {
    lock.release()
    throw error
  }
}

/** Considers one request after the other: compare and persist are one step. */
class Desk {
  readonly #key: SignerKey
  readonly #sign: ReturnType<typeof ed25519Sign>
  readonly #sequencerKey: VerifierKey
  readonly #state: SignerState
  readonly #onFatal: (error: LedgerError) => void
  #last: Promise<unknown> = Promise.resolve()
  #failed = false

  constructor(parts: {
    key: SignerKey
    sequencerKey: VerifierKey
    state: SignerState
    onFatal: (error: LedgerError) => void
  }) {
    this.#key = parts.key
    this.#sign = ed25519Sign(parts.key.seed)
    this.#sequencerKey = parts.sequencerKey
    this.#state = parts.state
    this.#onFatal = parts.onFatal
  }

  async addCheckpoint(body: Uint8Array): Promise<Answer> {
    const answer = this.#last.then(async () => this.#consider(body))
    this.#last = answer.catch(() => undefined)
    return answer
  }

  async idle(): Promise<void> {
    await this.#last
  }

  /** The order is that of tlog-witness: who asks, from where, and does it follow. */
  async #consider(body: Uint8Array): Promise<Answer> {
    if (this.#failed)
      throw new LedgerError('SIGNER_STATE', 'could not sign: the state of the signer is lost')
    const request = attempt(() => parseAddCheckpoint(body))
    if (request instanceof TlogError) return { status: 400, body: `${request.message}\n` }
    const text = parseNote(request.checkpoint).text
    const { origin, size, root } = parseCheckpoint(text)
    if (origin !== this.#state.signed.origin) return { status: 404, body: 'unknown origin\n' }
    if (!(await this.#isTrusted(request)))
      return { status: 403, body: 'no signature of the sequencer\n' }
    if (request.oldSize > size)
      return { status: 400, body: 'the old size is larger than the new\n' }
    const { signed } = this.#state
    if (request.oldSize !== BigInt(signed.size))
      return { status: 409, body: formatLatestSize(BigInt(signed.size)) }
    const { oldSize, proof } = request
    const claim = { oldSize, newSize: size, oldRoot: signed.root, newRoot: root, proof }
    const refusal = attempt(() => verifyWitnessConsistency(claim, sha256))
    if (refusal instanceof TlogError) return { status: 422, body: `${refusal.message}\n` }
    this.#save({ origin, size: toTreeSize(size), root })
    // Durable: a crash from here on loses an answer, never the memory that it was given.
    const line = await signNote(text, { name: this.#key.name, id: this.#key.id, sign: this.#sign })
    return { status: 200, body: `${line}\n` }
  }

  async #isTrusted({ checkpoint }: AddCheckpoint): Promise<boolean> {
    try {
      await openNote(checkpoint, { keys: [this.#sequencerKey], sha256, verify: ed25519Verify })
      return true
    } catch (error) {
      if (error instanceof TlogError) return false
      throw error
    }
  }

  #save(state: { origin: string; size: number; root: Uint8Array }): void {
    try {
      this.#state.save(state)
    } catch (error) {
      this.#failed = true
      if (error instanceof LedgerError) this.#onFatal(error)
      throw error
    }
  }
}

async function serve(
  desk: Desk,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.url !== '/add-checkpoint') return send(response, 404, 'not found\n')
  if (request.method !== 'POST')
    return send(response.setHeader('Allow', 'POST'), 405, 'only POST\n')
  const body = await readBody(request)
  if (body === undefined) {
    // The rest is not read: the connection cannot be used again.
    response.setHeader('Connection', 'close')
    return send(response, 400, `the body is over ${ADD_CHECKPOINT_BYTES_MAX} bytes\n`)
  }
  const { status, body: text } = await desk.addCheckpoint(body)
  return send(response, status, text)
}

/** Undefined when it is over the limit. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > ADD_CHECKPOINT_BYTES_MAX) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, bytes)
}

function send(response: ServerResponse, status: number, body: string): void {
  const type = status === 409 ? TLOG_SIZE_TYPE : 'text/plain; charset=utf-8'
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) })
  response.end(body)
}

function attempt<T>(work: () => T): T | TlogError {
  try {
    return work()
  } catch (error) {
    if (error instanceof TlogError) return error
    throw error
  }
}

async function listen(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
}

function exit(error: LedgerError): void {
  process.stderr.write(`countersign: error: ${error.message}: ${messageOf(error.cause)}\n`)
  process.exit(2)
}
