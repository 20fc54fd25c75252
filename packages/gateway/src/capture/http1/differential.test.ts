/** Whatever our codec accepts, llhttp reads to the same: we are a strict subset of what every node server speaks. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseHead } from '../canonical-request.ts'
import { openNodeClient, openNodeServer } from './testing/llhttp.ts'
import { mutated, readRequests, request, smuggling } from './testing/requests.ts'
import { readResponse, response, splitting } from './testing/responses.ts'

const runs = 1_000

/** The messages we would forward: up to the first that is refused, or that ends the connection. */
function forwarded(bytes: Buffer): object[] {
  const kept: object[] = []
  for (const { head, body } of readRequests([bytes]).messages) {
    const { method, url, httpVersionMinor: minor, rawHeaders } = head
    const options = { listener: 'origin', scheme: 'http', bodyBytesMax: 1_000_000 } as const
    if (typeof parseHead(head, options) === 'string') break
    kept.push({ method, url, minor, rawHeaders, body })
    if (head.close) break
  }
  return kept
}

test('requests that we forward are read by node:http to the same', async (t) => {
  const readByNode = await openNodeServer(t)
  let accepted = 0
  const stream = fc
    .array(fc.oneof(mutated, request), { minLength: 1, maxLength: 3 })
    .map((all) => Buffer.concat(all))
  await fc.assert(
    fc.asyncProperty(stream, async (bytes) => {
      const ours = forwarded(bytes)
      if (ours.length === 0) return
      accepted += 1
      const theirs = await readByNode(bytes)
      assert.deepEqual(theirs.slice(0, ours.length), ours)
    }),
    { numRuns: runs },
  )
  assert.ok(accepted > runs / 10, `${accepted} accepted: a test that compares nothing passes`)
})

test('what has smuggled before is not forwarded, whatever node:http makes of it', () => {
  for (const [name, text] of Object.entries(smuggling))
    assert.deepEqual(forwarded(Buffer.from(text, 'latin1')), [], name)
})

test('answers that we pass on are read by node:http to the same', async (t) => {
  const readByNode = await openNodeClient(t)
  let accepted = 0
  const spoiled = fc
    .tuple(response, fc.nat(), fc.nat(3), fc.constantFrom('', '\r', '\n', ' ', '\0', ':', ',', '1'))
    .map(([bytes, where, removed, insert]) => {
      const text = bytes.toString('latin1')
      const at = where % (text.length + 1)
      return Buffer.from(text.slice(0, at) + insert + text.slice(at + removed), 'latin1')
    })
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(response, spoiled),
      fc.constantFrom('GET', 'HEAD'),
      async (bytes, method) => {
        const ours = readResponse([bytes], method)
        if (typeof ours === 'string') return
        accepted += 1
        const { status, reason, rawHeaders } = ours.head
        assert.deepEqual(await readByNode(bytes, method), {
          status,
          reason,
          rawHeaders,
          body: ours.body,
        })
      },
    ),
    { numRuns: runs },
  )
  assert.ok(accepted > runs / 10, `${accepted} accepted: a test that compares nothing passes`)
})

for (const [name, text] of Object.entries(splitting)) {
  test(`an answer with ${name} is not passed on`, () => {
    assert.equal(readResponse([Buffer.from(text, 'latin1')], 'GET'), 'refused')
  })
}
