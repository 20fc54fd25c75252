import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openApi } from './api-client.ts'
import { findApi } from './api-place.ts'
import { demoLink } from './config-place.ts'
import { EVENT_CHARACTERS_MAX, readEvents } from './event-stream.ts'
import { CommandError } from './errors.ts'
import { openSmallApi, writeConfig } from './testing/small-api.ts'
import type { Answered } from './testing/small-api.ts'

const UID = process.getuid?.() ?? 0
const READER = { api: 'http://127.0.0.1:9999', key: 'csk_x' }

async function temporary(): Promise<{ folder: string } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-api-'))
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) }
}

async function thrownBy(run: () => Promise<unknown>): Promise<CommandError> {
  try {
    await run()
  } catch (error) {
    assert.ok(error instanceof CommandError, String(error))
    return error
  }
  throw new assert.AssertionError({ message: 'it did not throw' })
}

test('the API is found by the configuration of this folder, with the key of that boot', async () => {
  await using here = await temporary()
  await writeConfig(here.folder, READER)
  const place = await findApi({}, { cwd: here.folder, tmp: here.folder, uid: UID })
  assert.equal(place.url.origin, READER.api)
  assert.deepEqual(place.credential, ['x-api-key', 'csk_x'])
})

test('a reader that is not running says how to start it', async () => {
  await using here = await temporary()
  await writeConfig(here.folder, undefined)
  const around = { cwd: here.folder, tmp: here.folder, uid: UID }
  const { message, hint } = await thrownBy(() => findApi({}, around))
  assert.match(message, /the reader of .* is not running/)
  assert.equal(hint, "'countersign up' starts it")
})

test('an operator without access is told where that is said', async () => {
  await using here = await temporary()
  await writeConfig(here.folder, { api: READER.api })
  const around = { cwd: here.folder, tmp: here.folder, uid: UID }
  const { code, hint } = await thrownBy(() => findApi({}, around))
  assert.equal(code, 'DENIED')
  assert.match(hint ?? '', /reader\.operator/)
})

test('what others may write, is too long or is something else is no reader', async () => {
  await using here = await temporary()
  await writeConfig(here.folder, READER)
  const path = join(here.folder, 'data/run/reader.json')
  const around = { cwd: here.folder, tmp: here.folder, uid: UID }
  await chmod(path, 0o666)
  assert.match((await thrownBy(() => findApi({}, around))).message, /others may write it/)
  await chmod(path, 0o600)
  for (const text of [
    '',
    '{"api":7,"key":"x"}',
    '{"api":"http://127.0.0.1:1","key":"a b"}',
    '[]',
  ]) {
    await writeFile(path, text)
    const { message } = await thrownBy(() => findApi({}, around))
    assert.match(message, /it is not what a reader writes/)
  }
  await writeFile(path, ' '.repeat(4097))
  assert.match((await thrownBy(() => findApi({}, around))).message, /over 4096 bytes/)
  await writeFile(path, JSON.stringify({ api: 'http://192.0.2.1:80', key: 'csk_x' }))
  assert.match((await thrownBy(() => findApi({}, around))).message, /in the clear/)
})

test('without a configuration the demo of this user is asked, and never one that another user put there', async () => {
  await using here = await temporary()
  const demo = join(here.folder, 'demo')
  await mkdir(demo)
  await writeConfig(demo, READER)
  const around = { cwd: here.folder, tmp: here.folder, uid: UID }
  assert.match((await thrownBy(() => findApi({}, around))).message, /no demo of yours is running/)
  await symlink(demo, demoLink(around) ?? '')
  assert.equal((await findApi({}, around)).url.origin, READER.api)
  // The name is that user's, and whoever made it is not: as it looks when somebody else was there first.
  const other = { ...around, uid: UID + 1 }
  await symlink(demo, demoLink(other) ?? '')
  assert.match((await thrownBy(() => findApi({}, other))).message, /no demo of yours is running/)
  const folder = { ...around, tmp: join(here.folder, 'other') }
  await mkdir(demoLink(folder) ?? '', { recursive: true })
  assert.match((await thrownBy(() => findApi({}, folder))).message, /no demo of yours is running/)
})

test('a named API is shown the key or the token that is in a file', async () => {
  await using here = await temporary()
  const file = join(here.folder, 'secret')
  await writeFile(file, 'csk_y\n')
  const api = 'https://audit.example.com/eu'
  const byKey = await findApi({ api, 'key-file': file })
  assert.deepEqual(byKey.credential, ['x-api-key', 'csk_y'])
  const byToken = await findApi({ api, 'token-file': file })
  assert.deepEqual(byToken.credential, ['authorization', 'Bearer csk_y'])
  await writeFile(file, 'two\nlines')
  assert.match((await thrownBy(() => findApi({ api, 'key-file': file }))).message, /one line/)
})

test('a secret is sent nowhere in the clear, and a URL is no place for one', async () => {
  await using here = await temporary()
  const file = join(here.folder, 'secret')
  await writeFile(file, 'csk_y')
  const clear = { api: 'http://audit.example.com', 'key-file': file }
  assert.match((await thrownBy(() => findApi(clear))).message, /in the clear/)
  await findApi({ api: 'http://localhost:8090', 'key-file': file })
  for (const api of ['ftp://x', 'audit.example.com', 'https://user:secret@x', 'https://x/?key=1'])
    assert.equal((await thrownBy(() => findApi({ api }))).code, 'USAGE')
  const both = { api: 'https://x', 'key-file': file, 'token-file': file }
  assert.match((await thrownBy(() => findApi(both))).message, /not both/)
})

test('nobody who answers is said, with what starts it', async () => {
  const api = openApi({ url: new URL('http://127.0.0.1:1') })
  const { message, hint } = await thrownBy(() => api.ask({ path: 'search' }))
  assert.equal(message, 'could not reach the API at http://127.0.0.1:1: nothing answers there')
  assert.match(hint ?? '', /'countersign up' starts it/)
})

/** The error of one question that is answered so. */
async function errorFor(answered: Answered, key = 'csk_small'): Promise<CommandError> {
  await using small = await openSmallApi(() => answered)
  const api = openApi({ url: new URL(small.url), credential: ['x-api-key', key] })
  try {
    return await thrownBy(async () => {
      await (await api.ask({ path: 'search', question: 'a OR' })).json()
    })
  } finally {
    api.close()
  }
}

test('each refusal says what is needed', async () => {
  const unknown = await errorFor({}, 'csk_other')
  assert.equal(unknown.code, 'DENIED')
  assert.match(unknown.hint ?? '', /--key-file or --token-file/)
  const role = await errorFor({ status: 403, body: { error: 'no_grant', explanation: 'no role' } })
  assert.equal(role.message, 'could not ask: no role')
  assert.match(role.hint ?? '', /reader\.access/)
  const ledger = await errorFor({
    status: 503,
    body: { error: 'ledger_unavailable', explanation: 'x' },
  })
  assert.equal(ledger.code, 'CANNOT_RUN')
  assert.match(ledger.hint ?? '', /is the ledger running/)
})

test('what is no API, or one of another version, is said to be so, and nobody is followed elsewhere', async () => {
  for (const answered of [
    { status: 404, type: 'text/html', body: '<html>' },
    { status: 302, headers: { location: 'http://192.0.2.1/' }, body: '' },
    { status: 500, type: 'text/html', body: '<html>' },
    { status: 200, type: 'text/html', body: '<html>' },
  ]) {
    const { code, hint } = await errorFor(answered)
    assert.equal(code, 'CANNOT_RUN')
    assert.match(hint ?? '', /is it the API of a countersign reader/, String(answered.status))
  }
})

test('a place that lies outside the question is not pointed at', async () => {
  const body = {
    code: 'SEARCH_SYNTAX',
    detail: 'could not understand it',
    at: { from: 99, to: 100 },
  }
  assert.equal((await errorFor({ status: 400, body })).at, undefined)
  const shown = await errorFor({ status: 400, body: { ...body, at: { from: 2, to: 4 } } })
  assert.deepEqual(shown.at, { text: 'a OR', from: 2, to: 4 })
})

test('an answer over the limit is given up', async () => {
  await using small = await openSmallApi(() => ({ body: { text: 'x'.repeat(2000) } }))
  const place = { url: new URL(small.url), credential: ['x-api-key', 'csk_small'] as const }
  const api = openApi(place, { answerBytesMax: 1000 })
  const { message } = await thrownBy(async () => (await api.ask({ path: 'search' })).json())
  assert.match(message, /it is over 1000 bytes/)
  api.close()
})

test('an API that is silent is given up after a while', async () => {
  await using small = await openSmallApi(() => ({ pieces: silence() }))
  const place = { url: new URL(small.url), credential: ['x-api-key', 'csk_small'] as const }
  const api = openApi(place, { timeoutMs: 50 })
  const { message } = await thrownBy(async () => (await api.ask({ path: 'search' })).json())
  assert.match(message, /no answer within 0\.05 s/)
  api.close()
})

async function* silence(): AsyncGenerator<string, void, undefined> {
  yield '{'
  await new Promise(() => undefined)
}

test('an event that never ends is given up', async () => {
  assert.ok(EVENT_CHARACTERS_MAX > 1024 ** 2)
  async function* pieces(): AsyncGenerator<Buffer, void, undefined> {
    for (;;) yield Buffer.from('data: xxxxxxxxxx\n')
  }
  const { message } = await thrownBy(async () => {
    for await (const _ of readEvents(pieces(), 1000)) assert.fail('it has no end')
  })
  assert.match(message, /an event is over 1000 characters/)
})

test('events read the same however the stream is cut', async () => {
  const text =
    'event: a\r\ndata: 1\r\n\r\n: x\n\ndata: ü\ndata: 2\n\nid: 3\n\nevent: b\ndata:{}\n\ndata: cut'
  const bytes = Buffer.from(text)
  const expected = [
    { event: 'a', text: '1' },
    { event: 'message', text: 'ü\n2' },
    { event: 'b', text: '{}' },
  ]
  for (let size = 1; size <= bytes.length; size += 1) {
    async function* pieces(): AsyncGenerator<Buffer, void, undefined> {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
    }
    const events = []
    for await (const event of readEvents(pieces())) events.push(event)
    assert.deepEqual(events, expected, `in pieces of ${size}`)
  }
})
