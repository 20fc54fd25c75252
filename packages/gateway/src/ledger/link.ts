/** One connection of a client to the ledger: requests by number, answers as they come. It is used until it breaks. */
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { LedgerError } from './errors.ts'
import {
  ANSWER,
  decodeError,
  decodeStatus,
  encodeMessage,
  MessageReader,
  MessageType,
} from './protocol.ts'
import type { LedgerStatus, Message } from './protocol.ts'

/** Bytes of an answer: the largest is a page of entries. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024
const CONNECT_TIMEOUT_MS = 5_000
const REQUEST_MAX = 0xff_ff_ff_ff

interface Asked {
  readonly resolve: (payload: Buffer) => void
  readonly reject: (error: Error) => void
  /** Answers still to come. */
  left: number
}

export class Link {
  readonly #socket: Socket
  readonly #asked = new Map<number, Asked>()
  #request = 0
  #broken: LedgerError | undefined
  #onDown: ((error: LedgerError) => void) | undefined
  /** What the ledger said at HELLO. */
  status: LedgerStatus | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    const reader = new MessageReader(ANSWER_BYTES_MAX)
    socket.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk, (message) => this.#receive(message))
      } catch (error) {
        this.break(unavailable(error))
      }
    })
    socket.on('error', (error) => this.break(unavailable(error)))
    socket.on('close', () => this.break(unavailable(undefined)))
  }

  /** Connects, and says who we are. @throws {LedgerError} `LEDGER_UNAVAILABLE` */
  static async open(socketPath: string, session: string): Promise<Link> {
    const socket = connect({ path: socketPath })
    const link = new Link(socket)
    // A ledger that accepts and says nothing is as good as none.
    const timer = setTimeout(
      () => link.break(unavailable(new Error('no answer in time'))),
      CONNECT_TIMEOUT_MS,
    )
    try {
      const answer = await link.ask(MessageType.hello, Buffer.from(session))
      link.status = decodeStatus(answer)
      return link
    } catch (error) {
      link.break(unavailable(error))
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  /** Calls back once when the connection breaks. */
  onDown(callback: (error: LedgerError) => void): void {
    this.#onDown = callback
    if (this.#broken !== undefined) callback(this.#broken)
  }

  /** The number for the next request. */
  nextRequest(): number {
    this.#request = this.#request === REQUEST_MAX ? 1 : this.#request + 1
    return this.#request
  }

  /** Sends a message made with `nextRequest`; `resolve` is called for each of its answers. */
  send(message: Buffer, request: number, asked: Asked): void {
    if (this.#broken !== undefined) {
      asked.reject(this.#broken)
      return
    }
    this.#asked.set(request, asked)
    this.#socket.write(message)
  }

  /** Asks, and waits for the one answer. @throws {LedgerError} what the ledger said, or `LEDGER_UNAVAILABLE`. */
  async ask(type: number, payload?: Uint8Array): Promise<Buffer> {
    const request = this.nextRequest()
    return new Promise((resolve, reject) => {
      this.send(encodeMessage(type, request, payload), request, { resolve, reject, left: 1 })
    })
  }

  /** Ends the connection; whatever was asked is rejected. */
  break(error: LedgerError): void {
    if (this.#broken !== undefined) return
    this.#broken = error
    this.#socket.destroy()
    const asked = [...this.#asked.values()]
    this.#asked.clear()
    for (const { reject } of asked) reject(error)
    this.#onDown?.(error)
  }

  #receive({ type, request, payload }: Message): void {
    if (type === MessageType.error && request === 0) {
      this.break(decodeError(payload))
      return
    }
    const asked = this.#asked.get(request)
    if (asked === undefined || type < ANSWER) {
      throw new LedgerError(
        'LEDGER_PROTOCOL',
        `could not read an answer of type ${type} to request ${request}`,
      )
    }
    asked.left = type === MessageType.error ? 0 : asked.left - 1
    if (asked.left <= 0) this.#asked.delete(request)
    if (type === MessageType.error) asked.reject(decodeError(payload))
    // A view: whoever keeps it copies it.
    else asked.resolve(payload)
  }
}

/** Why the ledger cannot be asked. */
export function unavailable(cause: unknown): LedgerError {
  const why = cause instanceof Error ? `: ${cause.message}` : ''
  return new LedgerError('LEDGER_UNAVAILABLE', `could not reach the ledger${why}`, {
    cause,
    hint: 'start it with countersign ledger',
  })
}
