import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import { createServer } from 'node:net'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'

/** The bytes that Node's own TLS client sends first. */
export async function realHello(options: ConnectionOptions): Promise<Buffer> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const accepted = once(server, 'connection')
  const client = connectTls({ ...options, host: '127.0.0.1', port })
  client.on('error', () => {})
  const [socket] = (await accepted) as [import('node:net').Socket]
  const [hello] = (await once(socket, 'data')) as [Buffer]
  client.destroy()
  socket.destroy()
  server.close()
  return hello
}

/** Cuts the handshake bytes of one record into records of at most `size` bytes. */
export function fragment(hello: Uint8Array, size: number): Buffer {
  const message = hello.subarray(5)
  const records: Buffer[] = []
  for (let offset = 0; offset < message.length; offset += size) {
    records.push(asRecord(message.subarray(offset, offset + size)))
  }
  return Buffer.concat(records)
}

export function asRecord(payload: Uint8Array): Buffer {
  return Buffer.concat([
    Buffer.from([22, 3, 1, payload.length >> 8, payload.length & 0xff]),
    payload,
  ])
}

/** What `handmadeHello` writes; anything not given is left out. */
export interface HelloParts {
  readonly extensions?: readonly (readonly [type: number, content: Uint8Array])[]
  readonly version?: number
  readonly trailing?: Uint8Array
}

/** A ClientHello written field by field, for what no TLS library would send. */
export function handmadeHello(parts: HelloParts): Buffer {
  const version = parts.version ?? 0x0303
  const extensions = (parts.extensions ?? []).map(([type, content]) =>
    Buffer.concat([u16(type), vector16(content)]),
  )
  const body = Buffer.concat([
    u16(version),
    Buffer.alloc(32, 7),
    Buffer.from([0]),
    vector16(Buffer.from([0x13, 0x01])),
    Buffer.from([1, 0]),
    ...(parts.extensions === undefined ? [] : [vector16(Buffer.concat(extensions))]),
    parts.trailing ?? Buffer.alloc(0),
  ])
  return asRecord(Buffer.concat([Buffer.from([1, 0]), u16(body.length), body]))
}

export function serverName(...names: readonly (string | Uint8Array)[]): readonly [number, Buffer] {
  const entries = names.map((name) =>
    Buffer.concat([Buffer.from([0]), vector16(Buffer.from(name))]),
  )
  return [0, vector16(Buffer.concat(entries))]
}

export function u16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff])
}

export function vector16(content: Uint8Array): Buffer {
  return Buffer.concat([u16(content.length), content])
}
