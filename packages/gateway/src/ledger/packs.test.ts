import { deepEqual, equal, ok } from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { encodeEnvelope, envelopeHead } from '@countersign/record/envelope'
import fc from 'fast-check'
import { addendaOf, faultOf, putAddendum, putEntry, sectionBytes, storedBytes } from './entries.ts'
import type { StoredAddendum } from './entries.ts'
import { layoutOf, packPath } from './layout.ts'
import { ADDENDUM_BYTES_MAX, ENVELOPE_BYTES_MAX } from './limits.ts'
import { readPack } from './pack-record.ts'
import type { PackedAddendum } from './pack-record.ts'
import { isNamed, PackWriter, readAddenda } from './packs.ts'
import { sha256 } from '../cryptography.ts'

async function withFolder(work: (dataDir: string) => Promise<void>): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'countersign-packs-'))
  try {
    await mkdir(layoutOf(dataDir).addenda)
    await work(dataDir)
  } finally {
    await rm(dataDir, { recursive: true })
  }
}

const envelope = encodeEnvelope(envelopeHead('a'.repeat(32)), new Uint8Array(40).fill(7))

const stored: fc.Arbitrary<StoredAddendum> = fc.record(
  { content: fc.uint8Array({ maxLength: 300 }), envelope: fc.constant(envelope) },
  { requiredKeys: ['content'] },
)

async function packed(dataDir: string, group: number): Promise<PackedAddendum[]> {
  const all: PackedAddendum[] = []
  for await (const one of readPack(dataDir, group)) all.push(one)
  return all
}

/** What was written and what was read, as values that compare. */
const plain = ({ content, envelope: beside }: StoredAddendum): unknown => ({
  content: Buffer.from(content).toString('hex'),
  envelope: beside === undefined ? undefined : Buffer.from(beside).toString('hex'),
})

test('packs give back what was put into them, sealed or in clear, leaf by leaf', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(stored, { maxLength: 3 }), { maxLength: 8 }),
      async (leaves) => {
        await withFolder(async (dataDir) => {
          const writer = new PackWriter(dataDir, 0)
          // Over a boundary of packs.
          for (const [at, addenda] of leaves.entries())
            for (const [ordinal, addendum] of addenda.entries())
              await writer.add(252 + at, ordinal, addendum)
          await writer.finish()
          for (const [at, addenda] of leaves.entries()) {
            const read = await readAddenda(dataDir, 252 + at)
            deepEqual(
              read.map((one) => one && plain(one)),
              addenda.map(plain),
            )
          }
          const all = [...(await packed(dataDir, 0)), ...(await packed(dataDir, 1))]
          ok(all.every(({ isIntact }) => isIntact))
          equal(all.length, leaves.flat().length)
        })
      },
    ),
    { numRuns: 20 },
  )
})

test('addenda in clear are stored as they were before there was sealing', async () => {
  await withFolder(async (dataDir) => {
    const writer = new PackWriter(dataDir, 0)
    await writer.add(1, 0, { content: Buffer.from('content') })
    await writer.finish()
    const bytes = await readFile(join(layoutOf(dataDir).addenda, packPath(0)))
    equal(bytes.subarray(0, -4).toString('hex'), '00000000000000010000000007636f6e74656e74')
  })
})

test('a bit that flipped anywhere in a pack is found, and hides nothing behind it but what it must', async () => {
  await withFolder(async (dataDir) => {
    const writer = new PackWriter(dataDir, 0)
    const addenda: StoredAddendum[] = [
      { content: Buffer.from('one') },
      { content: Buffer.from('two'), envelope },
      { content: Buffer.from('three'), envelope },
    ]
    for (const [at, addendum] of addenda.entries()) await writer.add(at, 0, addendum)
    await writer.finish()
    const path = join(layoutOf(dataDir).addenda, packPath(0))
    const whole = await readFile(path)
    const digests = addenda.map(({ content }) => sha256(content))
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const damaged = Buffer.from(whole)
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      await writeFile(path, damaged)
      const good = (await packed(dataDir, 0)).filter(
        ({ isIntact, leafIndex, ordinal, ...one }) =>
          isIntact && ordinal === 0 && isNamed(digests[leafIndex] ?? new Uint8Array(0), one),
      )
      ok(good.length < 3, `bit ${bit}`)
      const first = bit < 8 * 20 ? 0 : 1
      equal(good.length >= first, true, `bit ${bit}: what stands before it is there`)
    }
  })
})

test('an addendum and its envelope have a limit, in a section and in a pack', async () => {
  const entry = Buffer.concat([
    Buffer.from('{}\n'),
    Buffer.alloc(32, 7),
    Buffer.from([0, 0, 0, 3, 1]),
  ])
  const entries = Buffer.alloc(sectionBytes(entry, []))
  putEntry(entries, 0, entry)
  const longest = encodeEnvelope(envelopeHead('s'.repeat(64), '2026-11-26'), new Uint8Array(40))
  equal(longest.length, ENVELOPE_BYTES_MAX)
  for (const [bytes, isFine] of [
    [ADDENDUM_BYTES_MAX, true],
    [ADDENDUM_BYTES_MAX + 1, false],
  ] as const) {
    const addendum = { content: new Uint8Array(bytes), envelope: longest }
    const addenda = Buffer.alloc(4 + storedBytes(addendum))
    putAddendum(addenda, 0, addendum)
    equal(faultOf({ count: 1, entries, addenda }) === undefined, isFine)
    if (!isFine) continue
    const [read] = addendaOf(addenda)
    equal(read?.content.length, bytes)
    deepEqual(read?.envelope, Buffer.from(longest))
    await withFolder(async (dataDir) => {
      const writer = new PackWriter(dataDir, 0)
      await writer.add(0, 0, addendum)
      await writer.add(0, 1, { content: Buffer.from('behind it') })
      await writer.finish()
      deepEqual(
        (await packed(dataDir, 0)).map(({ content, isIntact }) => [content.length, isIntact]),
        [
          [bytes, true],
          [9, true],
        ],
      )
    })
  }
  const noEnvelope = Buffer.alloc(8)
  noEnvelope.writeUInt32BE(0x80_00_00_04)
  equal(
    faultOf({ count: 1, entries, addenda: noEnvelope }),
    'addendum 0 of 1 has no whole envelope',
  )
})
