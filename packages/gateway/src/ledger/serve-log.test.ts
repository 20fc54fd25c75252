import { deepEqual, equal } from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkLedger, connectLedger, runLedger } from '../ledger.ts'
import { systemClock } from '../platform.ts'
import { runSigner } from '../witness.ts'
import { makeDraft, makeLog } from './testing/setup.ts'

interface Got {
  readonly status: number | undefined
  readonly headers: NodeJS.Dict<string | string[]>
  readonly body: Buffer
}

/** node:http sends the path as it is: no client tidies up dots for us. */
async function get(port: number, path: string, method = 'GET'): Promise<Got> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, method }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () =>
        resolve({
          status: response.statusCode,
          headers: response.headers,
          body: Buffer.concat(chunks),
        }),
      )
    })
    asked.on('error', reject)
    asked.end()
  })
}

test('the log is served as tlog-tiles, and nothing else is', async () => {
  await using log = await makeLog({ logAddress: '127.0.0.1:0' })
  const signer = log.own(await runSigner(log.signer))
  const ledger = log.own(await runLedger(log.ledger))
  const port = ledger.logAddress?.port ?? 0
  const client = log.own(await connectLedger({ socketPath: ledger.socketPath, clock: systemClock }))
  await Promise.all(
    Array.from({ length: 300 }, async () =>
      client.append(makeDraft({ content: Buffer.from('secret') })),
    ),
  )
  await client.publish()
  const checkpoint = await get(port, '/checkpoint')
  equal(checkpoint.status, 200)
  equal(checkpoint.headers['cache-control'], 'no-cache')
  equal(checkpoint.headers['content-type'], 'text/plain; charset=utf-8')
  deepEqual(checkpoint.body, await readFile(join(log.dataDir, 'log', 'checkpoint')))
  for (const path of [
    '/tile/0/000',
    '/tile/0/001.p/45',
    '/tile/1/000.p/1',
    '/tile/entries/000',
    '/tile/entries/001.p/45',
  ]) {
    const got = await get(port, path)
    equal(got.status, 200, path)
    equal(got.headers['cache-control'], 'public, max-age=31536000, immutable')
    equal(got.headers['content-type'], 'application/octet-stream')
    deepEqual(got.body, await readFile(join(log.dataDir, 'log', path)))
    const head = await get(port, path, 'HEAD')
    equal(head.body.length, 0)
    equal(head.headers['content-length'], String(got.body.length))
  }
  const refused = [
    '/',
    '/tile',
    '/tile/0',
    '/tile/0/',
    '/tile/0/0',
    '/tile/00/000',
    '/tile/0/000/',
    '/tile/0/000?x',
    '/tile/0/000.p/256',
    '/tile/0/000.p/0',
    '/tile/0/../../checkpoint',
    '/../ledger.json',
    '/tile/0/%2e%2e/000',
    '//checkpoint',
    '/checkpoint/',
    '/addenda/000.pack',
    '/tile/0/x000/000',
    '/tile/0/002',
    '/tile/0/001.p',
    '/tile/entries/001.p',
    `/tile/0/${'x001/'.repeat(60)}000`,
    '/checkpoint%00',
    '/tile/63/000',
  ]
  for (const path of refused) equal((await get(port, path)).status, 404, path)
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    const got = await get(port, '/checkpoint', method)
    equal(got.status, 405)
    equal(got.headers['allow'], 'GET, HEAD')
  }
  await client.close()
  await ledger.close()
  await signer.close()
  await checkLedger(log.dataDir, { vkey: log.vkey })
})
