import { deepEqual, equal, rejects, throws } from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Slots } from './slots.ts'

const format = { magic: 'CSTEST 1', slotBytes: 64 }
const PAYLOAD_BYTES = 44

/** Runs with a file that holds `payloads`. */
async function withFile(
  payloads: readonly string[],
  use: (path: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-slots-'))
  const path = join(folder, 'slots')
  try {
    await Slots.create(
      path,
      format,
      payloads.map((text) => Buffer.from(text)),
    )
    await use(path)
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** What is in the file, without the zeros that fill its slots. */
function read(path: string): (string | undefined)[] {
  const slots = Slots.open(path, format)
  slots.close()
  return slots.payloads.map((payload) => payload?.toString('latin1').replaceAll('\0', ''))
}

test('records are read back as they were saved, and a file is never created over another', async () => {
  await withFile(['one', 'two'], async (path) => {
    const slots = Slots.open(path, format)
    slots.save(1, Buffer.from('two, later'))
    slots.save(1, Buffer.from('2'))
    slots.close()
    deepEqual(read(path), ['one', '2'])
    await rejects(Slots.create(path, format, []), { code: 'EEXIST' })
    const again = Slots.open(path, format)
    await again.replace([Buffer.from('a'), Buffer.from('b'), Buffer.from('c')])
    again.save(2, Buffer.alloc(PAYLOAD_BYTES, 'd'))
    throws(() => again.save(0, Buffer.alloc(PAYLOAD_BYTES + 1)), RangeError)
    again.close()
    deepEqual(read(path), ['a', 'b', 'd'.repeat(PAYLOAD_BYTES)])
  })
})

test('a write that is torn at any byte leaves the record before it or the new one', async () => {
  await withFile(['first record'], async (path) => {
    const before = await readFile(path)
    const slots = Slots.open(path, format)
    slots.save(0, Buffer.from('second, and longer'))
    slots.close()
    const after = await readFile(path)
    const seen = new Set<string>()
    for (let written = 0; written <= after.length; written++) {
      await writeFile(path, Buffer.concat([after.subarray(0, written), before.subarray(written)]))
      const [text = ''] = read(path)
      // Once the first slot is whole the new record is there, whatever becomes of the second.
      equal(text, written >= format.slotBytes ? 'second, and longer' : text, `${written} bytes`)
      seen.add(text)
      deepEqual(read(path), [text], 'opening makes both slots whole')
    }
    deepEqual([...seen], ['first record', 'second, and longer'])
  })
})

test('any one flipped bit costs nothing, and two damaged slots are said to be unreadable', async () => {
  await withFile(['one', 'two'], async (path) => {
    const slots = Slots.open(path, format)
    slots.save(0, Buffer.from('later'))
    slots.close()
    const whole = await readFile(path)
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const damaged = Buffer.from(whole)
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      await writeFile(path, damaged)
      deepEqual(read(path), ['later', 'two'], `bit ${bit}`)
      deepEqual(await readFile(path), whole, 'and it is repaired')
    }
    await writeFile(path, Buffer.from(whole).fill(0, 10, 74))
    deepEqual(read(path), [undefined, 'two'])
    await writeFile(path, whole.subarray(0, 130))
    deepEqual(read(path), ['later', undefined], 'a file that is cut')
  })
})
