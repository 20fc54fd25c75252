/** What a witness may answer that is no cosignature, and what that costs: nobody but itself. */
import { deepEqual, equal, match, ok } from 'node:assert/strict'
import type { RequestListener } from 'node:http'
import { test } from 'node:test'
import { cosign } from '@countersign/tlog/cosignature'
import { parseSkey } from '@countersign/tlog/key'
import { parseNote } from '@countersign/tlog/note'
import { ed25519PublicKey, ed25519Sign, sha256 } from '../cryptography.ts'
import { runSigner } from '../witness.ts'
import { WITNESS_ANSWER_BYTES_MAX } from './limits.ts'
import { makeDraft, makeLog } from './testing/setup.ts'
import { always, cosigners, end, run, untilStatus } from './testing/witnessed-ledger.ts'
import { keyName, policyOf, startServer, startWitness } from './testing/witnesses.ts'

async function bodyOf(request: AsyncIterable<Buffer>): Promise<string> {
  let body = ''
  for await (const chunk of request) body += chunk.toString()
  return body
}

/** Cosigns what it is told to, whatever was asked. */
function signing(skey: () => string, change: (text: string) => string): RequestListener {
  return (request, response) => {
    const key = parseSkey(skey(), sha256, ed25519PublicKey)
    void bodyOf(request).then(async (body) => {
      const { text } = parseNote(body.slice(body.indexOf('\n\n') + 2))
      const line = await cosign(change(text), {
        ...key,
        sign: ed25519Sign(key.seed),
        timestamp: 1n,
      })
      response.writeHead(200).end(`${line}\n`)
    })
  }
}

test('witnesses that lie are named, count for nothing, and cost a bounded time and memory', async () => {
  await using log = await makeLog({ checkpointIntervalMs: 20 })
  log.own(await runSigner(log.signer))
  const size = { 'content-type': 'text/x.tlog.size' }
  const keys = new Map<string, string>()
  const keyOf = (name: string) => () => keys.get(name) ?? ''
  const lies: Readonly<Record<string, [RequestListener, RegExp]>> = {
    status: [always(500, 'no\u001b[2J'), /it answered 500 "no\\u001b/],
    moved: [always(302, '', { location: 'http://127.0.0.1:1/' }), /it answered 302/],
    unknown: [always(404, 'unknown origin\n'), /it answered 404 "unknown origin/],
    garbage: [always(200, 'garbage'), /cannot be used/],
    empty: [always(200, ''), /cannot be used/],
    oversized: [always(200, '\u2014 '.repeat(WITNESS_ANSWER_BYTES_MAX)), /could not be asked/],
    dripping: [
      (request, response) => {
        response.writeHead(200)
        const timer = setInterval(() => response.write('x'), 10)
        request.resume().once('close', () => clearInterval(timer))
      },
      /did not answer within/,
    ],
    untyped: [always(409, '0\n'), /409 with the content type/],
    wordy: [always(409, 'many\n', size), /cannot be used/],
    ahead: [always(409, '999999999999\n', size), /has signed/],
    restless: [always(409, '0\n', size), /keeps changing its mind/],
    closing: [(request) => request.socket.destroy(), /could not be asked|keeps changing its mind/],
    other: [signing(keyOf('other'), (text) => text.replace(/\n\d+\n/, '\n7\n')), /cannot be used/],
    stranger: [signing(keyOf('status'), (text) => text), /without a cosignature of its key/],
  }
  const good = await startWitness(log, 'good')
  const liars = await Promise.all(
    Object.entries(lies).map(async ([name, [answer]]) => {
      const server = await startServer(log, name, answer)
      keys.set(name, server.skey)
      return server
    }),
  )
  const policy = policyOf(log, [...liars, good], 'any')
  const running = await run(log, { policy, timeoutMs: 3_000 })
  const { client } = running
  const { leafIndex: index } = await client.append(makeDraft(), { level: 'D2' })
  const receipt = await client.prove(index, { level: 'D2' })
  deepEqual(await cosigners(client, policy, { index, receipt }), [keyName(good.vkey)])
  for (const [at, [name, [, why]]] of Object.entries(lies).entries()) {
    await untilStatus(client, ({ each }) => (each[at]?.failures ?? 0) > 0)
    const each = (await client.status()).witnesses?.each[at]
    equal(each?.name, name)
    match(each.failure ?? '', why, name)
    ok((each.failure ?? '').length <= 260, name)
    equal(each.size, 0)
  }
  equal((await client.status()).lastError, null)
  const leaves = await end(log, running)
  ok(leaves.every(({ lifecycle }) => lifecycle?.kind !== 'alarm'))
})
