import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { readAccessLog } from './access-log.ts'
import type { AccessLine, BadLine } from './access-log.ts'

const good = {
  msec: '1800000000.123',
  request_id: 'r-1',
  method: 'GET',
  uri: '/orders/1?a=b',
  status: '200',
}

async function read(text: string | Buffer): Promise<(AccessLine | BadLine)[]> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-access-'))
  try {
    const file = join(folder, 'access.json')
    await writeFile(file, text)
    const lines: (AccessLine | BadLine)[] = []
    for await (const line of readAccessLog(file, 'nginx-json')) lines.push(line)
    return lines
  } finally {
    await rm(folder, { recursive: true })
  }
}

test('a line is read, without its query, and its time by either name', async () => {
  const line = { line: 1, timeMs: 1_800_000_000_123, method: 'GET', path: '/orders/1' }
  const expected = { ...line, requestId: 'r-1', status: 200 }
  assert.deepEqual(await read(`${JSON.stringify(good)}\n`), [expected])
  const { msec: _, ...timeless } = good
  const iso = JSON.stringify({ ...timeless, time: '2027-01-15T08:00:00+00:00', status: 200 })
  assert.deepEqual(await read(`${iso}\n`), [{ ...expected, timeMs: 1_800_000_000_000 }])
  const absent = JSON.stringify({ ...good, request_id: '-' })
  assert.deepEqual(await read(`${absent}\n`), [{ ...expected, requestId: '' }])
})

test('a torn last line is told from a bad one', async () => {
  const whole = JSON.stringify(good)
  const [first, torn] = await read(`${whole}\n${whole.slice(0, 40)}`)
  assert.equal(first?.line, 1)
  assert.deepEqual(torn, { line: 2, why: 'it is not JSON', isTorn: true })
  const [, bad] = await read(`${whole}\n${whole.slice(0, 40)}\n`)
  assert.deepEqual(bad, { line: 2, why: 'it is not JSON', isTorn: false })
})

test('what is no request is named with its line, and reading goes on', async () => {
  const lines = [
    ['[1]', /neither a 'msec'/],
    ['null', /not a JSON object/],
    [JSON.stringify({ ...good, msec: '1e999' }), /neither a 'msec'/],
    [JSON.stringify({ ...good, method: 'G T' }), /'method'/],
    [JSON.stringify({ ...good, uri: 'http://x/' }), /'uri'/],
    [JSON.stringify({ ...good, status: '1.5' }), /'status'/],
    [JSON.stringify({ ...good, request_id: 'x'.repeat(2000) }), /'request_id'/],
    ['{"__proto__":{"msec":"1"}}', /neither a 'msec'/],
    [`{"a":"${'x'.repeat(70_000)}"}`, /it is over 65536 bytes/],
  ] as const
  const text = lines.map(([line]) => `${line}\n`).join('')
  const found = await read(`${text}\n${JSON.stringify(good)}\n`)
  for (const [at, [line, why]] of lines.entries()) {
    const one = found[at]
    assert.ok(one !== undefined && 'why' in one, line.slice(0, 80))
    assert.match(one.why, why)
    assert.equal(one.line, at + 1)
  }
  assert.equal(found.at(-1)?.line, lines.length + 2, 'an empty line counts and says nothing')
})

test('no bytes make it fail', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
      const found = await read(Buffer.from(bytes))
      assert.ok(found.every(({ line }) => line >= 1))
    }),
    { numRuns: 50 },
  )
})

test('a file that is not there is an error', async () => {
  const lines = readAccessLog('/nowhere/access.json', 'nginx-json')
  await assert.rejects(lines.next(), { code: 'RECONCILE_UNREADABLE' })
})
