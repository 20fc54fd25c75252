import { deepEqual, equal, match, ok, throws } from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { createLog } from './create.ts'
import { entriesOf, faultOf, putAddendum, putEntry, sectionBytes } from './entries.ts'
import { LedgerError } from './errors.ts'
import { decodeFrame, decodeFrameHeader, frameBytes, putFrameEnd, putFrameHeader } from './frame.ts'
import { layoutOf } from './layout.ts'
import { recover } from './recovery.ts'
import { scanWal } from './scan.ts'
import type { FoundFrame } from './scan.ts'
import { Sequencer } from './sequencer.ts'
import type { Group } from './sequencer.ts'
import { readFrames } from './wal-reader.ts'

const SEGMENT_BYTES = 8192
const OPTIONS = { origin: 'log.example.com/wal', segmentBytes: SEGMENT_BYTES, logKeys: [] }

/** An entry with a tlog-addenda trailer of no addenda. */
function group(...texts: string[]): Group {
  const entries = Buffer.alloc(texts.reduce((sum, text) => sum + 3 + text.length, 0))
  let at = 0
  for (const text of texts) at = putEntry(entries, at, Buffer.from(`${text}\0`, 'latin1'))
  return { count: texts.length, entries, addenda: Buffer.alloc(0), committed: () => undefined }
}

async function withLog(work: (dataDir: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-wal-'))
  try {
    await createLog({ dataDir: join(folder, 'data'), origin: OPTIONS.origin })
    await work(join(folder, 'data'))
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function openCore(
  dataDir: string,
): Promise<{ sequencer: Sequencer; tornBytes: number; close: () => Promise<void> }> {
  const recovered = await recover(layoutOf(dataDir), OPTIONS)
  const sequencer = new Sequencer(recovered, { batchBytesMax: 4096 })
  return { sequencer, tornBytes: recovered.tornBytes, close: async () => recovered.wal.close() }
}

function scanAll(dataDir: string): { frames: FoundFrame[]; tornBytes: number } {
  const frames: FoundFrame[] = []
  const { tear } = scanWal(layoutOf(dataDir).wal, (frame) => frames.push(frame))
  return { frames, tornBytes: tear?.bytes ?? 0 }
}

test('a frame reads back as it was written, and any single change of a bit is seen', () => {
  const marker = Buffer.from('0123456789abcdef', 'hex')
  const sections = fc.record({
    firstIndex: fc.maxSafeNat(),
    entries: fc.uint8Array({ maxLength: 300 }),
    addenda: fc.uint8Array({ maxLength: 300 }),
    root: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    flip: fc.nat(),
  })
  fc.assert(
    fc.property(sections, ({ firstIndex, entries, addenda, root, flip }) => {
      const frame = Buffer.alloc(frameBytes(entries.length, addenda.length))
      let at = putFrameHeader(frame, {
        marker,
        firstIndex,
        count: 3,
        entriesBytes: entries.length,
        addendaBytes: addenda.length,
      })
      frame.set(entries, at)
      frame.set(addenda, at + entries.length)
      at += entries.length + addenda.length
      equal(putFrameEnd(frame, at, root), frame.length)
      const header = decodeFrameHeader(frame, 0, marker)
      ok(header)
      const read = decodeFrame(frame, 0, header)
      ok(read)
      deepEqual([read.firstIndex, read.count, read.bytes], [firstIndex, 3, frame.length])
      deepEqual([...read.entries], [...entries])
      deepEqual([...read.addenda], [...addenda])
      deepEqual([...read.root], [...root])
      const bit = flip % (frame.length * 8)
      frame[bit >> 3] = (frame[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const damaged = decodeFrameHeader(frame, 0, marker)
      equal(damaged === undefined ? undefined : decodeFrame(frame, 0, damaged), undefined)
    }),
  )
})

test('sections that do not hold together are refused with a reason', () => {
  const entry = Buffer.concat([
    Buffer.from('{}\n'),
    Buffer.alloc(32, 7),
    Buffer.from([0, 0, 0, 3, 1]),
  ])
  const addendum = Buffer.from('content')
  const entries = Buffer.alloc(sectionBytes(entry, []))
  putEntry(entries, 0, entry)
  const addenda = Buffer.alloc(4 + addendum.length)
  putAddendum(addenda, 0, { content: addendum })
  equal(faultOf({ count: 1, entries, addenda }), undefined)
  match(faultOf({ count: 2, entries, addenda }) ?? '', /entry 1 of 2/)
  match(
    faultOf({ count: 1, entries, addenda: Buffer.alloc(0) }) ?? '',
    /addendum 0 of 1 is missing/,
  )
  match(faultOf({ count: 1, entries, addenda: addenda.subarray(0, 8) }) ?? '', /ends outside/)
  match(
    faultOf({ count: 1, entries, addenda: Buffer.concat([addenda, addenda]) }) ?? '',
    /more than the 1/,
  )
  match(faultOf({ count: 1, entries: entries.subarray(0, 5), addenda }) ?? '', /ends outside/)
  match(
    faultOf({ count: 1, entries: Buffer.from([0, 0]), addenda: Buffer.alloc(0) }) ?? '',
    /trailer/,
  )
  match(
    faultOf({ count: 1, entries: Buffer.from([0, 2, 9, 9]), addenda: Buffer.alloc(0) }) ?? '',
    /trailer/,
  )
  const tooLarge = Buffer.alloc(4)
  tooLarge.writeUInt32BE(4 * 1024 * 1024 + 1)
  match(faultOf({ count: 1, entries, addenda: tooLarge }) ?? '', /over 4194304 bytes/)
})

test('segments roll, and recovery finds every record in order', async () => {
  await withLog(async (dataDir) => {
    const core = await openCore(dataDir)
    const texts = Array.from({ length: 400 }, (_, n) => `entry ${n} ${'x'.repeat(n % 97)}`)
    for (const text of texts) core.sequencer.commit([group(text)])
    const { size, root } = core.sequencer.durable
    const read: string[] = []
    for await (const frame of readFrames(core.sequencer.wal.placesFrom(57), {
      from: 57,
      to: 311,
    })) {
      for (const entry of entriesOf(frame.entries)) read.push(entry.toString().slice(0, -1))
    }
    deepEqual(read, texts.slice(57, 311))
    await core.close()
    ok(readdirSync(layoutOf(dataDir).wal).length > 4)
    const again = await openCore(dataDir)
    equal(again.sequencer.durable.size, size)
    deepEqual(Buffer.from(again.sequencer.durable.root), Buffer.from(root))
    await again.close()
  })
})

test('a last frame cut at any of its bytes is cut away, and nothing else is', async () => {
  await withLog(async (dataDir) => {
    const core = await openCore(dataDir)
    core.sequencer.commit([group('first'), group('second')])
    const { size, root } = core.sequencer.durable
    core.sequencer.commit([group('x'.repeat(1500), 'y'.repeat(200))])
    await core.close()
    const [, last] = scanAll(dataDir).frames
    ok(last)
    const whole = readFileSync(last.path)
    for (let kept = 0; kept < last.bytes; kept++) {
      const torn = Buffer.from(whole)
      torn.fill(0, last.offset + kept)
      writeFileSync(last.path, torn)
      const { frames, tornBytes } = scanAll(dataDir)
      equal(frames.length, 1)
      ok(tornBytes <= kept)
      if (kept % 211 !== 0) continue
      const again = await openCore(dataDir)
      equal(again.sequencer.durable.size, size)
      deepEqual(Buffer.from(again.sequencer.durable.root), Buffer.from(root))
      again.sequencer.commit([group('after')])
      await again.close()
      equal(scanAll(dataDir).frames.length, 2)
    }
  })
})

test('sectors of the last frame that reached the disk out of order are cut away too', async () => {
  await withLog(async (dataDir) => {
    const core = await openCore(dataDir)
    core.sequencer.commit([group('first')])
    core.sequencer.commit([group('x'.repeat(3000))])
    await core.close()
    const [, last] = scanAll(dataDir).frames
    ok(last)
    const whole = readFileSync(last.path)
    const end = last.offset + last.bytes
    for (let sector = Math.floor(last.offset / 512) * 512; sector < end; sector += 512) {
      const torn = Buffer.from(whole)
      torn.fill(0, Math.max(sector, last.offset), Math.min(sector + 512, end))
      writeFileSync(last.path, torn)
      const { frames, tornBytes } = scanAll(dataDir)
      equal(frames.length, 1)
      ok(tornBytes > 0)
    }
  })
})

test('a bit that flipped in any frame stops recovery, and the message names file and byte', async () => {
  await withLog(async (dataDir) => {
    const core = await openCore(dataDir)
    for (const text of ['first', 'second', 'third']) core.sequencer.commit([group(text)])
    await core.close()
    const { frames } = scanAll(dataDir)
    const path = frames[0]?.path ?? ''
    const whole = readFileSync(path)
    const end = (frames[2]?.offset ?? 0) + (frames[2]?.bytes ?? 0)
    for (let bit = 0; bit < end * 8; bit++) {
      const damaged = Buffer.from(whole)
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      writeFileSync(path, damaged)
      const frame = frames.findLast(({ offset }) => offset <= bit >> 3)
      throws(
        () => scanAll(dataDir),
        (error) => {
          ok(
            error instanceof LedgerError && error.code === 'LEDGER_CORRUPT' && error.fatal,
            `bit ${bit}: ${String(error)}`,
          )
          ok(error.message.includes(path))
          if (frame !== undefined)
            ok(error.message.includes(`byte ${frame.offset}:`), error.message)
          ok(error.hint)
          return true
        },
      )
    }
  })
})

test('a missing or shortened segment stops recovery', async () => {
  await withLog(async (dataDir) => {
    const core = await openCore(dataDir)
    for (let n = 0; n < 60; n++) core.sequencer.commit([group('z'.repeat(400))])
    await core.close()
    const { wal } = layoutOf(dataDir)
    const names = readdirSync(wal).toSorted()
    ok(names.length >= 4)
    const copy = join(dataDir, 'copy')
    await cp(wal, copy, { recursive: true })
    const second = names[1] ?? ''
    await rm(join(wal, second))
    throws(() => scanAll(dataDir), {
      code: 'LEDGER_CORRUPT',
      message: /segment 2 before it is missing/,
    })
    writeFileSync(join(wal, second), readFileSync(join(copy, second)).subarray(0, 5000))
    throws(() => scanAll(dataDir), {
      code: 'LEDGER_CORRUPT',
      message: /byte 5000: it is 5000 bytes long, and was 8192/,
    })
    // A tear in a segment that is not the last one in use is damage.
    const cut = Buffer.from(readFileSync(join(copy, second)))
    cut.fill(0, 7000)
    cut.fill(1, 6600, 6700)
    writeFileSync(join(wal, second), cut)
    throws(() => scanAll(dataDir), { code: 'LEDGER_CORRUPT' })
    await rm(copy, { recursive: true })
  })
})

test('a segment that was half prepared when the process ended is made anew', async () => {
  await withLog(async (dataDir) => {
    const { wal } = layoutOf(dataDir)
    await mkdir(wal, { recursive: true })
    writeFileSync(join(wal, '0000000000000001.wal.abcd.wal.tmp'), 'half')
    const core = await openCore(dataDir)
    core.sequencer.commit([group('first')])
    await core.close()
    deepEqual(readdirSync(wal).toSorted(), ['0000000000000001.wal', '0000000000000002.wal'])
  })
})

test('a frame larger than a segment is refused before anything is written', async () => {
  await withLog(async (dataDir) => {
    const core = await openCore(dataDir)
    throws(() => core.sequencer.commit([group('x'.repeat(60_000))]), { code: 'LEDGER_LIMIT' })
    await core.close()
    equal(scanAll(dataDir).frames.length, 0)
  })
})
