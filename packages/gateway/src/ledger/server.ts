/**
 * The ledger's socket. Drafts of all connections that arrive in one turn of the event loop are committed together at its end.
 * Whoever can open the socket can write records: its folder is for the ledger's user only.
 */
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { faultOf } from './entries.ts'
import { LedgerError, rethrow } from './errors.ts'
import {
  CONNECTIONS_MAX,
  ENTRIES_COUNT_MAX,
  QUESTIONS_MAX,
  REPLY_BACKLOG_BYTES_MAX,
} from './limits.ts'
import {
  ANSWER,
  decodeAppend,
  decodeNumber,
  decodeProve,
  encodeError,
  encodeMessage,
  encodeNumber,
  MESSAGE_OVERHEAD_BYTES,
  MessageReader,
  MessageType,
} from './protocol.ts'
import type { LedgerStatus, Message } from './protocol.ts'
import type { Group } from './sequencer.ts'

/** What the socket asks of the ledger behind it. */
export interface Backend {
  /** Commits groups: each is told of its place before this returns. What it throws has been dealt with. */
  commit(groups: readonly Group[]): void
  /** Why no record is taken now, if so. */
  fullness(): string | undefined
  upToSigned(size: number): Promise<number>
  upToWitnessed(size: number): Promise<number>
  prove(index: number, level: 1 | 2): Promise<string>
  entries(from: number, count: number): Promise<Buffer>
  status(pending: number): LedgerStatus
  publish(): Promise<void>
  /** Removes what an erasure record names from the packs; says how many addenda went. */
  erase(record: number): Promise<number>
}

export interface SocketLimits {
  readonly batchBytesMax: number
  readonly draftBytesMax: number
}

interface Connection {
  readonly socket: Socket
  readonly reader: MessageReader
  session: string | undefined
  questions: number
}

export class LedgerSocket {
  readonly #backend: Backend
  readonly #limits: SocketLimits
  readonly #server: Server
  readonly #connections = new Set<Connection>()
  #waiting: Group[] = []
  #waitingCount = 0
  #scheduled = false

  constructor(backend: Backend, limits: SocketLimits) {
    this.#backend = backend
    this.#limits = limits
    this.#server = createServer((socket) => this.#accept(socket))
    this.#server.maxConnections = CONNECTIONS_MAX
  }

  async listen(path: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(path, resolve)
    })
  }

  /** Commits what has arrived, then closes all connections. */
  async close(): Promise<void> {
    this.commitWaiting()
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const { socket } of this.#connections) socket.end()
    for (const { socket } of this.#connections) socket.destroySoon()
    await closed
  }

  /** Commits everything that waits, now. */
  commitWaiting(): void {
    this.#scheduled = false
    const groups = this.#waiting
    this.#waiting = []
    this.#waitingCount = 0
    if (groups.length > 0) this.#backend.commit(groups)
  }

  #accept(socket: Socket): void {
    const { draftBytesMax, batchBytesMax } = this.#limits
    const reader = new MessageReader(
      Math.max(draftBytesMax, batchBytesMax) + MESSAGE_OVERHEAD_BYTES,
    )
    const connection: Connection = { socket, reader, session: undefined, questions: 0 }
    this.#connections.add(connection)
    socket.on('data', (chunk: Buffer) => this.#receive(connection, chunk))
    // The client is gone; what it sent before is committed all the same.
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#connections.delete(connection))
  }

  #receive(connection: Connection, chunk: Buffer): void {
    try {
      connection.reader.push(chunk, (message) => this.#dispatch(connection, message))
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error
      // Attacker-controlled: a client that breaks the protocol loses its connection, and nobody else notices.
      connection.socket.end(encodeError(0, error))
      connection.socket.destroySoon()
    }
  }

  #dispatch(connection: Connection, { type, request, payload }: Message): void {
    if (connection.socket.destroyed) return
    if (connection.session === undefined && type !== MessageType.hello)
      throw protocol('a request before HELLO')
    switch (type) {
      case MessageType.hello:
        this.#hello(connection, payload.toString())
        return this.#answerStatus(connection, { type, request })
      case MessageType.append:
        return this.#append(connection, request, payload)
      case MessageType.status:
        return this.#answerStatus(connection, { type, request })
      case MessageType.prove: {
        const wanted = decodeProve(payload)
        return this.#question(connection, request, async () => this.#prove(request, wanted))
      }
      case MessageType.entries: {
        const from = decodeNumber(payload)
        const count = Math.min(payload.length < 12 ? 0 : payload.readUInt32BE(8), ENTRIES_COUNT_MAX)
        return this.#question(connection, request, async () =>
          this.#entries({ request, from, count }),
        )
      }
      case MessageType.publish:
        return this.#question(connection, request, async () => {
          await this.#backend.publish()
          return encodeMessage(type + ANSWER, request)
        })
      case MessageType.erase: {
        const record = decodeNumber(payload)
        return this.#question(connection, request, async () =>
          encodeNumber(type + ANSWER, request, await this.#backend.erase(record)),
        )
      }
      default:
        throw protocol(`a message of type ${type}`)
    }
  }

  #hello(connection: Connection, session: string): void {
    if (!/^[\x21-\x7e]{1,64}$/.test(session)) throw protocol('a HELLO without a session')
    for (const other of this.#connections) {
      if (other === connection || other.session !== session) continue
      // What was received of it is committed now, and what was not read never will be: the client can ask what is durable.
      other.socket.destroy()
      this.#connections.delete(other)
    }
    this.commitWaiting()
    connection.session = session
  }

  #append({ socket }: Connection, request: number, payload: Buffer): void {
    const message = decodeAppend(payload)
    const { batchBytesMax, draftBytesMax } = this.#limits
    const bytes = message.entries.length + message.addenda.length
    if (bytes > (message.count === 1 ? draftBytesMax : batchBytesMax))
      throw protocol(`an APPEND of ${bytes} bytes`)
    const fault = faultOf(message)
    if (fault !== undefined) throw protocol(`an APPEND that does not hold together: ${fault}`)
    const full = this.#backend.fullness()
    if (full !== undefined) {
      socket.write(
        encodeError(request, { code: 'LEDGER_FULL', message: `could not append: ${full}` }),
      )
      return
    }
    const { count, entries, addenda, level } = message
    this.#waiting.push({
      count,
      entries,
      addenda,
      committed: (firstIndex) => {
        if (!socket.writable) return
        socket.write(encodeNumber(MessageType.append + ANSWER, request, firstIndex))
        if (level > 0) this.#answerLevels(socket, request, { size: firstIndex + count, level })
      },
    })
    this.#waitingCount += count
    if (this.#scheduled) return
    this.#scheduled = true
    // After all sockets that are readable in this turn have been read.
    setImmediate(() => {
      if (this.#scheduled) this.commitWaiting()
    })
  }

  /** Signing and witnessing are asked for at once, and answered in their order. */
  #answerLevels(
    socket: Socket,
    request: number,
    { size, level }: { size: number; level: number },
  ): void {
    const answers: [type: number, reached: Promise<number>][] = [
      [MessageType.signed, this.#backend.upToSigned(size)],
    ]
    if (level === 2) answers.push([MessageType.witnessed, this.#backend.upToWitnessed(size)])
    const answerAll = async (): Promise<void> => {
      for (const [type, reached] of answers) {
        const head = await reached
        if (socket.writable) socket.write(encodeNumber(type, request, head))
      }
    }
    // Awaited below, in order; one that fails meanwhile must not count as unheard.
    for (const [, reached] of answers) reached.catch(() => undefined)
    answerAll().catch((error: unknown) => {
      if (socket.writable) socket.write(encodeError(request, describe(error)))
    })
  }

  #answerStatus(
    { socket }: Connection,
    { type, request }: { type: number; request: number },
  ): void {
    const status = this.#backend.status(this.#waitingCount)
    socket.write(encodeMessage(type + ANSWER, request, Buffer.from(JSON.stringify(status))))
  }

  #question(connection: Connection, request: number, answer: () => Promise<Buffer>): void {
    if (connection.questions >= QUESTIONS_MAX)
      throw protocol(`more than ${QUESTIONS_MAX} questions at once`)
    connection.questions += 1
    answer()
      .catch((error: unknown) => encodeError(request, describe(error)))
      .then((message) => {
        connection.questions -= 1
        const { socket } = connection
        if (!socket.writable) return
        // It asks and does not read: what waits for it must not fill our memory.
        if (socket.writableLength > REPLY_BACKLOG_BYTES_MAX) socket.destroy()
        else socket.write(message)
      }, rethrow)
  }

  async #prove(request: number, { index, level }: ReturnType<typeof decodeProve>): Promise<Buffer> {
    const text = await this.#backend.prove(index, level)
    return encodeMessage(MessageType.prove + ANSWER, request, Buffer.from(text))
  }

  async #entries({
    request,
    from,
    count,
  }: {
    request: number
    from: number
    count: number
  }): Promise<Buffer> {
    const entries = await this.#backend.entries(from, count)
    const head = encodeNumber(0, 0, from).subarray(9)
    return encodeMessage(MessageType.entries + ANSWER, request, Buffer.concat([head, entries]))
  }
}

function describe(error: unknown): { code: string; message: string } {
  if (error instanceof LedgerError) return error
  return {
    code: 'LEDGER_UNAVAILABLE',
    message: error instanceof Error ? error.message : String(error),
  }
}

function protocol(what: string): LedgerError {
  return new LedgerError('LEDGER_PROTOCOL', `could not serve the client: it sent ${what}`)
}
