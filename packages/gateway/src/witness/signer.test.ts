import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { copyFileSync, openSync, readFileSync, writeFileSync, writeSync, closeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { ADD_CHECKPOINT_BYTES_MAX, formatAddCheckpoint } from '@countersign/tlog/add-checkpoint'
import { formatCheckpoint } from '@countersign/tlog/checkpoint'
import { hashLeaf, hashNode } from '@countersign/tlog/hash'
import { parseSkey, parseVkey } from '@countersign/tlog/key'
import { formatNote, openNote, signNote } from '@countersign/tlog/note'
import { makeKey, makeLog, ORIGIN } from '../ledger/testing/setup.ts'
import type { TestLog } from '../ledger/testing/setup.ts'
import { ed25519Sign, ed25519Verify, sha256 } from '../cryptography.ts'
import { createSignerState, runSigner } from '../witness.ts'

const run = promisify(execFile)
const [a, b, c] = ['a', 'b', 'c'].map((text) => hashLeaf(sha256, Buffer.from(text))) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
]
const root1 = a
const root2 = hashNode(sha256, a, b)
const root3 = hashNode(sha256, root2, c)

interface Post {
  readonly oldSize: number
  readonly size: number
  readonly root: Uint8Array
  readonly proof?: readonly Uint8Array[]
  readonly skey?: string
  readonly origin?: string
}

async function bodyOf(
  log: TestLog,
  { oldSize, size, root, proof = [], skey, origin = ORIGIN }: Post,
): Promise<string> {
  const key = parseSkey(skey ?? log.ledger.sequencerKey, sha256)
  const text = formatCheckpoint({ origin, size: BigInt(size), root })
  const checkpoint = formatNote(text, [
    await signNote(text, { ...key, sign: ed25519Sign(key.seed) }),
  ])
  return formatAddCheckpoint({ oldSize: BigInt(oldSize), proof, checkpoint })
}

/** As a stranger would: curl over the unix socket. */
async function curl(
  log: TestLog,
  body: string | Buffer,
  path = '/add-checkpoint',
): Promise<{ status: number; type: string; text: string }> {
  const file = join(log.folder, 'body')
  writeFileSync(file, body)
  const args = [
    '-s',
    '--unix-socket',
    log.signer.socketPath,
    '--data-binary',
    `@${file}`,
    '-w',
    '\n%{http_code} %{content_type}',
    `http://signer${path}`,
  ]
  const { stdout } = await run('curl', args)
  const split = stdout.lastIndexOf('\n')
  const [status = '', type = ''] = stdout.slice(split + 1).split(' ')
  return { status: Number(status), type, text: stdout.slice(0, split) }
}

async function post(
  log: TestLog,
  options: Post,
): Promise<{ status: number; type: string; text: string }> {
  return curl(log, await bodyOf(log, options))
}

test('the signer answers each status of tlog-witness, and signs only what continues', async () => {
  await using log = await makeLog()
  const signer = log.own(await runSigner(log.signer))
  const first = await bodyOf(log, { oldSize: 0, size: 1, root: root1 })
  const signed = await curl(log, first)
  equal(signed.status, 200)
  const note = formatNote(
    formatCheckpoint({ origin: ORIGIN, size: 1n, root: root1 }),
    signed.text.trimEnd().split('\n'),
  )
  await openNote(note, { keys: [parseVkey(log.vkey, sha256)], sha256, verify: ed25519Verify })
  const conflict = await curl(log, first)
  deepEqual(conflict, { status: 409, type: 'text/x.tlog.size', text: '1\n' })
  equal((await post(log, { oldSize: 1, size: 1, root: root1 })).status, 200)
  equal(
    (await post(log, { oldSize: 1, size: 1, root: root2 })).status,
    422,
    'two roots for one size',
  )
  equal((await post(log, { oldSize: 1, size: 2, root: root2 })).status, 422, 'no proof')
  equal(
    (await post(log, { oldSize: 1, size: 2, root: root2, proof: [c] })).status,
    422,
    'a wrong proof',
  )
  equal((await post(log, { oldSize: 2, size: 1, root: root1 })).status, 400, 'it shrinks')
  equal((await post(log, { oldSize: 1, size: 3, root: root3, proof: [b, c] })).status, 200)
  const stranger = makeKey(`${ORIGIN}/sequencer`)
  equal((await post(log, { oldSize: 3, size: 3, root: root3, skey: stranger.skey })).status, 403)
  equal(
    (await post(log, { oldSize: 3, size: 3, root: root3, origin: 'other.example.com' })).status,
    404,
  )
  equal((await curl(log, 'old 1\n')).status, 400)
  equal((await curl(log, first.replace('old 0', 'old 00'))).status, 400)
  equal((await curl(log, first, '/other')).status, 404)
  equal((await curl(log, Buffer.alloc(ADD_CHECKPOINT_BYTES_MAX + 1, 0x61))).status, 400)
  await signer.close()
})

test('what was signed is remembered over a restart, and one slot may be torn', async () => {
  await using log = await makeLog()
  let signer = log.own(await runSigner(log.signer))
  equal((await post(log, { oldSize: 0, size: 1, root: root1 })).status, 200)
  equal((await post(log, { oldSize: 1, size: 2, root: root2, proof: [b] })).status, 200)
  await signer.close()
  signer = log.own(await runSigner(log.signer))
  equal((await post(log, { oldSize: 0, size: 1, root: root1 })).text, '2\n')
  await signer.close()
  const path = join(log.signer.stateDir, 'signer-state')
  const whole = readFileSync(path)
  // The write of generation 4 stops in the middle of its slot: it was never answered.
  const file = openSync(path, 'r+')
  writeSync(file, Buffer.alloc(2048, 0xff), 0, 2048, 0)
  closeSync(file)
  signer = log.own(await runSigner(log.signer))
  equal((await post(log, { oldSize: 0, size: 1, root: root1 })).text, '2\n')
  await signer.close()
  writeFileSync(
    path,
    whole.fill(0, 10, 11).fill(0, 4106, 4107).fill(0xff, 20, 21).fill(0xff, 4116, 4117),
  )
  await rejects(runSigner(log.signer), (error: Error) => {
    match(error.message, /neither slot of .*signer-state can be read/)
    return true
  })
})

test('a signer is created once, opened only when it exists, and held by one process', async () => {
  await using log = await makeLog()
  const { stateDir } = log.signer
  await rejects(createSignerState({ stateDir, origin: ORIGIN }), { code: 'WITNESS_STATE' })
  const signer = log.own(await runSigner(log.signer))
  await rejects(runSigner(log.signer), { code: 'WITNESS_IN_USE' })
  await signer.close()
  await rejects(runSigner({ ...log.signer, stateDir: join(log.folder, 'data') }), {
    code: 'WITNESS_STATE',
    message: /could not open the signer/,
  })
  await rejects(runSigner({ ...log.signer, origin: 'other.example.com' }), {
    code: 'WITNESS_KEY',
    message: /its key is for/,
  })
  copyFileSync(join(stateDir, 'signer-state'), join(log.folder, 'data', 'signer-state'))
  const other = makeKey('other.example.com')
  await rejects(runSigner({ ...log.signer, key: other.skey, origin: 'other.example.com' }), {
    code: 'WITNESS_STATE',
    message: /is for log.example.com/,
  })
  ok(true)
})

test('two requests at the same time cannot both extend one state', async () => {
  await using log = await makeLog()
  const signer = log.own(await runSigner(log.signer))
  const bodies = await Promise.all([
    bodyOf(log, { oldSize: 0, size: 1, root: root1 }),
    bodyOf(log, { oldSize: 0, size: 2, root: root2 }),
  ])
  const answers = await Promise.all(
    bodies.map(async (body, n) => {
      const file = join(log.folder, `body${n}`)
      writeFileSync(file, body)
      const { stdout } = await run('curl', [
        '-s',
        '-o',
        '/dev/null',
        '--unix-socket',
        log.signer.socketPath,
        '--data-binary',
        `@${file}`,
        '-w',
        '%{http_code}',
        'http://signer/add-checkpoint',
      ])
      return stdout
    }),
  )
  deepEqual(answers.toSorted(), ['200', '409'])
  await signer.close()
})
