import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import type { OpenLoopPlan, OpenLoopResult } from './open-loop.ts'

const run = promisify(execFile)
const program = join(import.meta.dirname, 'open-loop.ts')
const rate = 200
const stallMs = 400

test('a stall is seen by every request that was due while it lasted, not by one a connection', async () => {
  let seen = 0
  const server = createServer((_, response) => {
    seen++
    if (seen === rate) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, stallMs)
    response.end('answer')
  }).listen(0, '127.0.0.1')
  await new Promise((settle) => server.once('listening', settle))
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  const plan: OpenLoopPlan = {
    port: address.port,
    path: '/',
    headers: {},
    rate,
    seconds: 2,
    connections: 2,
  }
  const { stdout } = await run(process.execPath, [program, JSON.stringify(plan)])
  server.close()
  const result = JSON.parse(stdout) as OpenLoopResult
  assert.equal(result.requests, rate * plan.seconds)
  assert.equal(result.errors, 0)
  // 80 of 400 requests were due within the stall; two connections alone would have shown two of them.
  assert.ok(result.p99Ms > stallMs / 2, `p99 ${result.p99Ms} ms`)
})
