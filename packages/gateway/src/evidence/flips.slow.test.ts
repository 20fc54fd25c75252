/** One changed byte anywhere in a bundle is found, or changes nothing that the bundle says. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { flipped, repack, unpack } from './testing/repacked.ts'
import { ALICE, tellStory } from './testing/story.ts'
import type { Story } from './testing/story.ts'
import { bundleOf, check } from './testing/written.ts'

let story: Story
const bundles: [string, Buffer][] = []

before(async () => {
  story = await tellStory({ transactions: 1 })
  const all = { from: 0, to: story.log.head.size - 1 }
  const person = { kind: 'person', pseudonym: ALICE, within: all } as const
  const request = { earlier: story.earlier }
  const whole = await bundleOf(story, {
    scope: { ...person, complete: true },
    opening: 'chosen',
    request,
  })
  const alone = await bundleOf(story, { scope: { ...person, complete: false }, opening: 'chosen' })
  bundles.push(['with whole bundles', whole.zip], ['with receipts', alone.zip])
})

test('a byte of the zip that is changed is found, or changes nothing', async () => {
  for (const [name, zip] of bundles) {
    assert.equal((await check(zip)).report.verified, true, name)
    const original = await unpack(zip)
    const irrelevant: number[] = []
    for (let at = 0; at < zip.length; at++) {
      const changed = flipped(zip, at, 1 << (at % 8))
      const { report } = await check(changed)
      if (!report.verified) continue
      irrelevant.push(at)
      assert.deepEqual(await unpack(changed), original, `${name}: byte ${at} changes what is said`)
    }
    // The unused bits in the last byte of a compressed file are all that may go unseen.
    assert.ok(irrelevant.length <= original.size, `${name}: ${irrelevant.join(', ')}`)
  }
})

test('a byte of a file that is changed is found and its file named, with every checksum made to fit', async () => {
  for (const [name, zip] of bundles) {
    const files = await unpack(zip)
    for (const [path, bytes] of files) {
      // The manifest is what its sender says; its own test is below.
      if (path === 'manifest.json') continue
      for (let at = 0; at < bytes.length; at++) {
        const changed = new Map(files).set(path, flipped(bytes, at, 1 << (at % 8)))
        const { report } = await check(repack(changed))
        assert.equal(report.verified, false, `${name}: ${path}, byte ${at}`)
        const named = report.findings.map((finding) => finding.path)
        const file = path.replace(/\.tlog-proof$/, '.entry')
        const isNamed =
          named.includes(path) || named.includes(file) || path === 'checkpoint.earlier'
        assert.ok(isNamed, `${name}: ${path}, byte ${at}: ${named.join(', ')}`)
      }
    }
  }
})
