import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { z } from 'zod'
import { defectNames } from './defects.ts'
import { exchangeRaw, openBench, openUpstream, parseAnswer } from './testing/inbound.ts'

const vectors = z
  .object({
    refused: z.array(
      z.object({
        name: z.string(),
        raw: z.string(),
        defect: z.string(),
        defects: z.array(z.string()).optional(),
        trusted: z.boolean().optional(),
      }),
    ),
    accepted: z.array(
      z.object({
        name: z.string(),
        raw: z.string(),
        upstream: z.object({
          line: z.string(),
          has: z.record(z.string(), z.string()).optional(),
          lacks: z.array(z.string()).optional(),
          body: z.string().optional(),
        }),
      }),
    ),
  })
  .parse(
    JSON.parse(readFileSync(new URL('../../testdata/http/requests.json', import.meta.url), 'utf8')),
  )

for (const { name, raw, defect, defects = [defect], trusted = false } of vectors.refused) {
  test(`${name}: refused, on record, never forwarded`, async (t) => {
    let contacted = 0
    const upstream = await openUpstream(t, (_request, response) => {
      contacted += 1
      response.end()
    })
    const bench = await openBench(t, { upstream, trustedHops: trusted ? ['127.0.0.0/8'] : [] })
    const answer = parseAnswer(await exchangeRaw(t, bench.port, raw))
    const [recorded, ...more] = bench.malformed
    assert.ok(recorded !== undefined, `not recorded; answered ${answer.status}`)
    assert.ok(defects.includes(recorded.defect), recorded.defect)
    assert.equal(more.length, 0)
    assert.equal(answer.status, recorded.status)
    assert.equal(answer.headers['countersign-error'], recorded.defect)
    assert.equal(answer.headers['connection'], 'close')
    assert.equal(recorded.requestLine, raw.split(/\r?\n/)[0])
    assert.equal(bench.captured.length, 0)
    assert.equal(contacted, 0)
  })
}

for (const { name, raw, upstream: expected } of vectors.accepted) {
  test(`${name}: decided on and forwarded alike`, async (t) => {
    let line = ''
    let headers: Record<string, unknown> = {}
    let body = ''
    const upstream = await openUpstream(t, (request, response) => {
      line = `${request.method} ${request.url} HTTP/${request.httpVersion}`
      headers = request.headers
      request.on('data', (chunk) => (body += String(chunk)))
      request.on('end', () => response.end('ok'))
    })
    const bench = await openBench(t, { upstream })
    const raw200 = await exchangeRaw(t, bench.port, raw)
    assert.deepEqual(bench.malformed, [])
    assert.match(raw200, /HTTP\/1\.1 200 OK\r\n/)
    assert.equal(line, expected.line)
    for (const [header, value] of Object.entries(expected.has ?? {}))
      assert.equal(headers[header], value)
    for (const header of expected.lacks ?? []) assert.equal(headers[header], undefined, header)
    assert.equal(body, expected.body ?? '')
    const request = bench.captured[0]?.request
    const decidedOn =
      request?.query === undefined ? request?.path : `${request.path}?${request.query}`
    assert.equal(`${request?.method} ${decidedOn} HTTP/1.1`, line)
  })
}

test('every defect is in docs/spec/http.md, and nothing else is', () => {
  const spec = readFileSync(new URL('../../../../docs/spec/http.md', import.meta.url), 'utf8')
  const documented = [
    ...(spec.split('## Defects')[1] ?? '').matchAll(/^\| `([a-z0-9_]+)` \| \d{3} \|/gm),
  ].map((row) => row[1])
  assert.deepEqual(documented, [...defectNames])
})
