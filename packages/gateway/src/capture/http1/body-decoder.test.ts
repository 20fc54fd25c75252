import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BodyDecoder } from './body-decoder.ts'
import type { BodyFraming } from './framing.ts'
import { type ChunkLimits, defaultChunkLimits } from './limits.ts'
import { cutAt } from './testing/requests.ts'
import { readResponse, response } from './testing/responses.ts'
import { chunkLine, lastChunk } from './writer.ts'

interface Decoded {
  readonly body: Buffer
  readonly done: boolean
  readonly broken: boolean
  readonly rest: number
}

function decode(
  pieces: readonly Buffer[],
  framing: BodyFraming,
  limits: ChunkLimits = defaultChunkLimits,
): Decoded {
  const decoder = new BodyDecoder(limits)
  decoder.start(framing)
  const body: Buffer[] = []
  let rest = 0
  for (const piece of pieces) {
    let at = 0
    while (at < piece.length && !decoder.done && !decoder.broken) {
      const part = decoder.read(piece, at)
      if (part !== undefined) body.push(part)
      at = decoder.at
    }
    rest += piece.length - at
  }
  return { body: Buffer.concat(body), done: decoder.done, broken: decoder.broken, rest }
}

test('chunks that are written are read back, however they are cut, and nothing after them is touched', () => {
  const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { maxLength: 6 })
  fc.assert(
    fc.property(chunks, fc.array(fc.nat()), fc.nat(20), (all, cuts, after) => {
      const written = Buffer.concat([
        ...all.flatMap((chunk) => [
          Buffer.from(chunkLine(chunk.length)),
          chunk,
          Buffer.from('\r\n'),
        ]),
        Buffer.from(lastChunk),
        Buffer.alloc(after, 'X'),
      ])
      const body = Buffer.concat(all)
      const expected = { body, done: true, broken: false, rest: after }
      assert.deepEqual(decode(cutAt(written, cuts), 'chunked'), expected)
    }),
  )
})

test('a body of known length ends where it says', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.nat(10), fc.array(fc.nat()), (bytes, after, cuts) => {
      const body = Buffer.from(bytes)
      const all = Buffer.concat([body, Buffer.alloc(after)])
      const expected = { body, done: true, broken: false, rest: after }
      assert.deepEqual(decode(cutAt(all, cuts), body.length), expected)
    }),
  )
})

test('a piece of a body is a slice, not a copy', () => {
  const decoder = new BodyDecoder(defaultChunkLimits)
  const bytes = Buffer.from('5\r\nhello\r\n')
  decoder.start('chunked')
  assert.equal(decoder.read(bytes, 0)?.buffer, bytes.buffer)
})

test('the limits around chunks are reached exactly', () => {
  const limits = { chunkLineBytesMax: 8, trailerBytesMax: 8 }
  const broken = (text: string): boolean => decode([Buffer.from(text)], 'chunked', limits).broken
  assert.equal(broken('1;abcde\r\nx\r\n0\r\n\r\n'), false)
  assert.equal(broken('1;abcdef\r\nx\r\n0\r\n\r\n'), true)
  assert.equal(broken('0\r\nA: b\r\n\r\n'), false)
  assert.equal(broken('0\r\nA: bc\r\n\r\n'), true)
  const wide = { chunkLineBytesMax: 100, trailerBytesMax: 1_000 }
  const size = (text: string): boolean => decode([Buffer.from(text)], 'chunked', wide).broken
  assert.equal(size('0000000000ff\r\n'), false)
  assert.equal(size('00000000000ff\r\n'), true)
  assert.equal(size(`0\r\n${'A: b\r\n'.repeat(64)}\r\n`), false)
  assert.equal(size(`0\r\n${'A: b\r\n'.repeat(65)}\r\n`), true)
})

test('an answer is read alike however its bytes are cut', () => {
  fc.assert(
    fc.property(response, fc.array(fc.nat()), (bytes, cuts) => {
      const whole = readResponse([bytes], 'GET')
      assert.deepEqual(readResponse(cutAt(bytes, cuts), 'GET'), whole)
    }),
  )
})
