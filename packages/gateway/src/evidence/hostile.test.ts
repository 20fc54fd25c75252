import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { crc32, deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { BUNDLE_FILE_BYTES_MAX, BUNDLE_FILES_MAX } from '@countersign/verifier/bundle/limits'
import { centralHeader, endRecord, localHeader } from '@countersign/verifier/bundle/zip-format'
import type { ZipFile } from '@countersign/verifier/bundle/zip-format'
import { flipped, repack, unpack } from './testing/repacked.ts'
import { tellStory } from './testing/story.ts'
import type { Story } from './testing/story.ts'
import { bundleOf, check } from './testing/written.ts'
import { ZipWriter } from './zip-writer.ts'

let story: Story
let zip: Buffer
let files: Map<string, Uint8Array>

before(async () => {
  story = await tellStory()
  const scope = { kind: 'record', indexes: [0, 1] } as const
  zip = (await bundleOf(story, { scope, opening: 'chosen' })).zip
  files = await unpack(zip)
})

/** What the check of some bytes finds: codes and messages. */
async function found(bytes: Uint8Array): Promise<string> {
  const { report } = await check(bytes)
  assert.equal(report.verified, false)
  return report.findings.map(({ code, path, message }) => `${code} ${path}: ${message}`).join('\n')
}

/** A zip put together by hand: what a header says need not be so. */
function forge(entries: readonly { file: Partial<ZipFile>; packed: Uint8Array }[]): Buffer {
  const pieces: Uint8Array[] = []
  const directory: Uint8Array[] = []
  let offset = 0
  for (const { file, packed } of entries) {
    const sizes = { packedBytes: packed.length, bytes: packed.length }
    const whole = {
      name: 'policy',
      deflated: false,
      crc32: crc32(packed),
      offset,
      ...sizes,
      ...file,
    }
    pieces.push(localHeader(whole), packed)
    directory.push(centralHeader(whole))
    offset += localHeader(whole).length + packed.length
  }
  const central = Buffer.concat(directory)
  const end = endRecord({ files: entries.length, bytes: central.length, offset })
  return Buffer.concat([...pieces, central, end])
}

test('what is no zip, is cut short, or goes on after its end is refused', async () => {
  assert.match(await found(Buffer.alloc(0)), /ZIP_MALFORMED the zip: it is too short/)
  assert.match(
    await found(Buffer.from('Dear auditor, '.repeat(20))),
    /does not end as a bundle does/,
  )
  assert.match(await found(zip.subarray(0, -1)), /does not end as a bundle does/)
  assert.match(await found(Buffer.concat([zip, Buffer.from('x')])), /does not end as a bundle does/)
  assert.match(await found(Buffer.concat([Buffer.from('x'), zip])), /its directory is not where/)
})

test('a bomb is refused before it is unpacked', async () => {
  const bomb = deflateRawSync(Buffer.alloc(BUNDLE_FILE_BYTES_MAX))
  const file = { name: 'policy', deflated: true, bytes: BUNDLE_FILE_BYTES_MAX }
  assert.match(
    await found(forge([{ file, packed: bomb }])),
    /BUNDLE_LIMIT .*grow more than 100 times/,
  )
  const huge = { ...file, bytes: BUNDLE_FILE_BYTES_MAX + 1 }
  assert.match(await found(forge([{ file: huge, packed: bomb }])), /BUNDLE_LIMIT .*is the limit/)
  // A bomb that says it is small is read no further than it says.
  const small = { ...file, bytes: bomb.length * 2 }
  assert.match(await found(forge([{ file: small, packed: bomb }])), /policy cannot be unpacked/)
})

test('names that lead elsewhere, come twice, or are too long are refused, and not repeated', async () => {
  for (const name of [
    '../policy',
    '/etc/passwd',
    'a//b',
    'a/../b',
    '.hidden',
    'a\\b',
    'C:/x',
    'é',
    '',
    '-rf',
  ])
    assert.match(
      await found(forge([{ file: { name }, packed: Buffer.from('x') }])),
      /whose name no bundle uses/,
    )
  const twice = { file: {}, packed: Buffer.from('x') }
  assert.match(await found(forge([twice, twice])), /it holds policy twice/)
  const long = { file: { name: 'a'.repeat(121) }, packed: Buffer.from('x') }
  assert.match(await found(forge([long])), /BUNDLE_LIMIT/)
})

test('encryption, other methods, comments, dates and links are refused as packed by another program', async () => {
  const central = zip.readUInt32LE(zip.length - 6)
  for (const at of [6, 8, 10, 12, 14, 30, 32, 34, 36, 38])
    assert.match(await found(flipped(zip, central + at)), /ZIP_MALFORMED .*|BUNDLE_LIMIT/)
  assert.match(await found(flipped(zip, central + 8)), /is not packed as a bundle packs it/)
})

test('two files that share their bytes, or leave some between them, are refused', async () => {
  const packed = Buffer.from('x')
  const second = { file: { name: 'checkpoint', offset: 0 }, packed }
  assert.match(
    await found(forge([{ file: {}, packed }, second])),
    /does not begin where the file before it ends/,
  )
})

test('a file that nothing names is unexpected, and one that is missing is named', async () => {
  const more = new Map(files).set('extra.txt', Buffer.from('x'))
  assert.match(await found(repack(more)), /FILE_UNEXPECTED extra\.txt/)
  for (const name of files.keys()) {
    const fewer = new Map(files)
    fewer.delete(name)
    assert.match(await found(repack(fewer)), new RegExp(name.replaceAll('.', String.raw`\.`)), name)
  }
})

test('a manifest that claims what is not there is found out, however much it claims', async () => {
  const manifest = Buffer.from(files.get('manifest.json') ?? []).toString()
  const claims: readonly [string, string][] = [
    ['"claim": "none"', '"claim": "range"'],
    ['"records": "0-1"', '"records": "0"'],
    ['"records": "0-1"', '"records": "0-9007199254740000"'],
    ['"opened": 1', '"opened": 0'],
    ['"carried": "receipts"', '"carried": {\n    "from": 0,\n    "to": 9007199254740000\n  }'],
    ['"recorded": ""', '"recorded": "0-9007199254740000"'],
    ['"recorded": ""', '"recorded": "0"'],
    ['"size": ', '"size": 1'],
    ['"v": 1', '"v": 2'],
    ['"v": 1', '"v":  1'],
  ]
  for (const [from, to] of claims) {
    assert.ok(manifest.includes(from), from)
    const changed = new Map(files).set('manifest.json', Buffer.from(manifest.replace(from, to)))
    assert.match(await found(repack(changed)), /MANIFEST_|FILE_MISSING/, to)
  }
})

test('a key that does not open its addendum is a finding, not garbage', async () => {
  const lines = Buffer.from(files.get('addenda.keys') ?? []).toString()
  const [, key = ''] = / (\S+)\n/.exec(lines) ?? []
  const other = Buffer.from(key, 'base64').map((byte) => byte ^ 1)
  const changed = lines.replace(key, Buffer.from(other).toString('base64'))
  const keys = (text: string): Buffer =>
    repack(new Map(files).set('addenda.keys', Buffer.from(text)))
  assert.match(
    await found(keys(changed)),
    /ADDENDUM_ALTERED addenda\.keys: the key .* does not open it: .*another key/,
  )
  assert.match(
    await found(keys(lines.replace(key, 'clear!'))),
    /FILE_MALFORMED addenda\.keys: line 1/,
  )
  assert.match(await found(keys(`${lines}${lines}`)), /FILE_MALFORMED addenda\.keys: line 2/)
  assert.match(await found(keys(`${'0'.repeat(64)} clear\n${lines}`)), /no record here names/)
})

test('bytes thrown at the check never break it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(zip.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
      fc.nat(zip.length),
      async (changes, cut) => {
        const bytes = Buffer.from(zip)
        for (const [at, value] of changes) bytes[at] = value
        const { report } = await check(cut % 5 === 0 ? bytes.subarray(0, cut) : bytes)
        assert.ok(report.verified || report.findings.length > 0)
      },
    ),
    { numRuns: 150 },
  )
})

test('a writer stops at the limits of its readers', async () => {
  const limits = { filesMax: BUNDLE_FILES_MAX, bytesMax: 1_000_000, unpackedBytesMax: 1_000_000 }
  const sink = async (): Promise<void> => undefined
  const tooMuch = { code: 'EVIDENCE_LIMIT' }
  const few = new ZipWriter(sink, { ...limits, filesMax: 1 })
  await few.add('a', Buffer.from('x'))
  await assert.rejects(few.add('b', Buffer.from('x')), tooMuch)
  const small = new ZipWriter(sink, { ...limits, bytesMax: 100 })
  await assert.rejects(small.add('a', Buffer.alloc(50, 'ab')), tooMuch)
  const flat = new ZipWriter(sink, { ...limits, unpackedBytesMax: 100 })
  await assert.rejects(flat.add('a', Buffer.alloc(101, 'ab')), tooMuch)
})
