import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkLedger, connectLedger, LedgerError, runLedger } from '../ledger.ts'
import { systemClock } from '../platform.ts'
import { runSigner } from '../witness.ts'
import { decodeError, encodeMessage, MessageReader, MessageType } from './protocol.ts'
import { makeDraft, makeLog } from './testing/setup.ts'

test('the draft after the last that may wait is refused, and takes no number', async () => {
  await using log = await makeLog()
  log.own(await runSigner(log.signer))
  const ledger = log.own(await runLedger(log.ledger))
  const client = log.own(
    await connectLedger({ socketPath: ledger.socketPath, clock: systemClock, pendingMax: 5 }),
  )
  const results = await Promise.allSettled(
    Array.from({ length: 8 }, async () => client.append(makeDraft())),
  )
  deepEqual(
    results.map(({ status }) => status),
    [...Array(5).fill('fulfilled'), ...Array(3).fill('rejected')],
  )
  for (const result of results.slice(5)) {
    ok(result.status === 'rejected' && result.reason instanceof LedgerError)
    equal(result.reason.code, 'LEDGER_FULL')
    equal(result.reason.kept, false)
  }
  await client.append(makeDraft())
  await client.close()
  await rejects(client.append(makeDraft()), { code: 'LEDGER_CLOSED', kept: false })
  await ledger.close()
  equal((await checkLedger(log.dataDir)).sessions.get(client.session), 6)
})

test('drafts wait while the ledger is away, up to the limit, and are all on record after', async () => {
  await using log = await makeLog()
  log.own(await runSigner(log.signer))
  const first = log.own(await runLedger(log.ledger))
  let up: (() => void) | undefined
  const isUp = new Promise<void>((resolve) => (up = resolve))
  const isDown = Promise.withResolvers<LedgerError>()
  const client = log.own(
    await connectLedger({
      socketPath: first.socketPath,
      clock: systemClock,
      pendingMax: 3,
      onUp: () => up?.(),
      onDown: isDown.resolve,
    }),
  )
  await first.close()
  equal((await isDown.promise).code, 'LEDGER_UNAVAILABLE')
  for (let n = 0; n < 3; n++)
    await rejects(client.append(makeDraft()), { code: 'LEDGER_UNAVAILABLE', kept: true })
  await rejects(client.append(makeDraft()), { code: 'LEDGER_FULL', kept: false })
  equal(client.pending, 3)
  await rejects(client.status(), { code: 'LEDGER_UNAVAILABLE' })
  const second = log.own(await runLedger(log.ledger))
  await isUp
  await client.close()
  await second.close()
  equal((await checkLedger(log.dataDir)).sessions.get(client.session), 3)
})

test('too many records waiting for publication close the door, and a signer opens it again', async () => {
  await using log = await makeLog({ unpublishedMax: 40, checkpointIntervalMs: 5 })
  const ledger = log.own(await runLedger(log.ledger))
  const up = Promise.withResolvers<void>()
  let sawFull = ''
  const client = log.own(
    await connectLedger({
      socketPath: ledger.socketPath,
      clock: systemClock,
      onDown: (error) => (sawFull = error.message),
      onUp: () => up.resolve(),
    }),
  )
  let acknowledged = 0
  await rejects(
    async () => {
      for (;;) {
        await client.append(makeDraft())
        acknowledged += 1
      }
    },
    { code: 'LEDGER_UNAVAILABLE', kept: true },
  )
  equal(acknowledged, 39)
  match(sawFull, /40 records wait for publication, and 40 may/)
  log.own(await runSigner(log.signer))
  await up.promise
  // Refused at first, perhaps: what was kept is written as soon as there is room.
  await client.close()
  await ledger.close()
  equal((await checkLedger(log.dataDir, { vkey: log.vkey })).sessions.get(client.session), 40)
})

test('drafts and entries over their limits are refused before they take a number', async () => {
  await using log = await makeLog({ draftBytesMax: 200_000 })
  log.own(await runSigner(log.signer))
  const ledger = log.own(await runLedger(log.ledger))
  const client = log.own(await connectLedger({ socketPath: ledger.socketPath, clock: systemClock }))
  await rejects(client.append(makeDraft({ content: Buffer.alloc(200_001) })), {
    code: 'LEDGER_LIMIT',
  })
  await rejects(client.append(makeDraft({ bytes: 70_000 })), { code: 'ENTRY_TOO_LARGE' })
  await rejects(client.append(makeDraft({ content: Buffer.alloc(4 * 1024 ** 2 + 1) })), {
    code: 'ADDENDUM_TOO_LARGE',
  })
  await client.append(makeDraft({ bytes: 65_000 }))
  // More than a batch, and less than a draft may have: it goes alone.
  await client.append(makeDraft({ content: Buffer.alloc(190_000, 1) }))
  await client.publish()
  await client.close()
  await ledger.close()
  equal((await checkLedger(log.dataDir)).sessions.get(client.session), 2)
  await rejects(runLedger({ ...log.ledger, segmentBytes: 100_000 }), {
    code: 'LEDGER_LIMIT',
    message: /cannot hold a frame/,
  })
})

/** Sends bytes as a client that keeps no rules, and returns what the ledger says before it hangs up. */
async function sendRaw(
  socketPath: string,
  bytes: readonly Buffer[],
): Promise<LedgerError | undefined> {
  return new Promise((resolve, reject) => {
    let said: LedgerError | undefined
    const reader = new MessageReader(1_000_000)
    const socket = connect({ path: socketPath })
    socket.on('data', (chunk: Buffer) => {
      reader.push(chunk, ({ type, payload }) => {
        if (type === MessageType.error) said = decodeError(payload)
      })
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(said))
    for (const part of bytes) socket.write(part)
  })
}

test('a client that breaks the protocol loses its connection, and nobody else notices', async () => {
  await using log = await makeLog()
  log.own(await runSigner(log.signer))
  const ledger = log.own(await runLedger(log.ledger))
  const client = log.own(await connectLedger({ socketPath: ledger.socketPath, clock: systemClock }))
  const hello = encodeMessage(MessageType.hello, 1, Buffer.from('stranger'))
  const entry = Buffer.from([0, 1, 0])
  const append = (count: number, entriesBytes: number, rest: Buffer): Buffer => {
    const head = Buffer.alloc(9)
    head.writeUInt32BE(count, 1)
    head.writeUInt32BE(entriesBytes, 5)
    return encodeMessage(MessageType.append, 2, Buffer.concat([head, rest]))
  }
  const huge = Buffer.from('ffffffff010000000100', 'hex')
  const cases: [string, Buffer[]][] = [
    ['before HELLO', [encodeMessage(MessageType.status, 1)]],
    ['without a session', [encodeMessage(MessageType.hello, 1)]],
    ['is the limit', [hello, huge]],
    ['without type and request', [hello, Buffer.from([0, 0, 0, 1, 9])]],
    ['of type 77', [hello, encodeMessage(77, 2)]],
    ['without its head', [hello, encodeMessage(MessageType.append, 2, Buffer.from([0]))]],
    ['not all there', [hello, append(0, 3, entry)]],
    ['not all there', [hello, append(1, 9, entry)]],
    ['does not hold together: entry 1 of 2', [hello, append(2, 3, entry)]],
    ['more than 1 entries', [hello, append(1, 6, Buffer.concat([entry, entry]))]],
    ['tlog-addenda trailer', [hello, append(1, 4, Buffer.from([0, 2, 0, 9]))]],
    ['more than the 0 addenda', [hello, append(1, 3, Buffer.concat([entry, entry]))]],
    [
      'addendum 0 of 1',
      [
        hello,
        append(
          1,
          44,
          Buffer.concat([Buffer.from([0, 42]), Buffer.alloc(37, 1), Buffer.from([0, 0, 0, 1, 1])]),
        ),
      ],
    ],
    ['cut short', [hello, encodeMessage(MessageType.prove, 2, Buffer.from([1]))]],
    ['without its level', [hello, encodeMessage(MessageType.prove, 2, Buffer.alloc(8))]],
    ['without its level', [hello, encodeMessage(MessageType.prove, 2, Buffer.alloc(9, 3))]],
    ['an APPEND of', [hello, append(2, 140_000, Buffer.alloc(140_000))]],
  ]
  for (const [message, bytes] of cases) {
    const said = await sendRaw(ledger.socketPath, bytes)
    equal(said?.code, 'LEDGER_PROTOCOL', message)
    ok(said.message.includes(message), `${said.message} / ${message}`)
  }
  // Byte by byte, and nothing at all.
  const slow = [...hello].map((byte) => Buffer.of(byte))
  equal(
    (await sendRaw(ledger.socketPath, [...slow, encodeMessage(77, 2)]))?.code,
    'LEDGER_PROTOCOL',
  )
  const receipt = await client.append(makeDraft())
  ok(receipt.leafIndex > 0)
  await client.close()
  await ledger.close()
  equal((await checkLedger(log.dataDir)).durable, 3)
})

test('a second connection of a session closes the first, so that nothing of it can still be written', async () => {
  await using log = await makeLog()
  log.own(await runSigner(log.signer))
  const ledger = log.own(await runLedger(log.ledger))
  const down = Promise.withResolvers<void>()
  const up = Promise.withResolvers<void>()
  const first = log.own(
    await connectLedger({
      socketPath: ledger.socketPath,
      clock: systemClock,
      onDown: () => down.resolve(),
      onUp: () => up.resolve(),
    }),
  )
  await first.append(makeDraft())
  const hello = encodeMessage(MessageType.hello, 1, Buffer.from(first.session))
  const raw = connect({ path: ledger.socketPath })
  raw.on('error', () => undefined)
  raw.write(hello)
  await down.promise
  await up.promise
  await first.append(makeDraft())
  await first.close()
  raw.destroy()
  await ledger.close()
  equal((await checkLedger(log.dataDir)).sessions.get(first.session), 2)
})

test('a ledger that is not there is said at once', async () => {
  await using log = await makeLog()
  const socketPath = join(log.folder, 'nobody.sock')
  await rejects(connectLedger({ socketPath, clock: systemClock }), { code: 'LEDGER_UNAVAILABLE' })
})
