/** The page that checks evidence, in a real browser with the network off. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { chromium } from 'playwright-core'
import type { Browser, Page } from 'playwright-core'
import { formatReceipt } from '@countersign/tlog/receipt'
import { logKey, testKey } from '@countersign/verifier/sample-log.testing'
import { flipped, repack, unpack } from '../../packages/gateway/src/evidence/testing/repacked.ts'
import { ALICE, tellStory } from '../../packages/gateway/src/evidence/testing/story.ts'
import type { Story } from '../../packages/gateway/src/evidence/testing/story.ts'
import { bundleOf, check } from '../../packages/gateway/src/evidence/testing/written.ts'
import { PAGE_FILE } from '../../packages/verifier/build/build-page.ts'
import { findCommand } from '../setup.ts'

const executablePath = findCommand('chromium')
const skip = executablePath === undefined ? 'no chromium on this machine' : false
const NAME = '<img src=x onerror=alert(1)>'

let folder = ''
let browser: Browser | undefined
let story: Story
let whole: Buffer

before(async () => {
  if (executablePath === undefined) return
  folder = await mkdtemp(join(tmpdir(), 'countersign-page-'))
  story = await tellStory({ transactions: 150, name: NAME })
  const range = { from: 0, to: story.log.head.size - 1 }
  const request = { earlier: story.earlier }
  whole = (await bundleOf(story, { scope: { kind: 'range', range }, opening: 'chosen', request }))
    .zip
  // Root has no sandbox to give; the page loads nothing anyway.
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
})

after(async () => {
  await browser?.close()
  await rm(folder, { recursive: true, force: true })
})

interface Opened extends AsyncDisposable {
  readonly page: Page
  /** Everything the page asked for, and everything it complained about. */
  readonly asked: string[]
  readonly complaints: string[]
  drop(files: Readonly<Record<string, Uint8Array | string>>): Promise<void>
}

async function openPage(colorScheme: 'light' | 'dark' = 'light'): Promise<Opened> {
  assert.ok(browser)
  const context = await browser.newContext({ offline: true, colorScheme })
  const page = await context.newPage()
  const asked: string[] = []
  const complaints: string[] = []
  page.on('request', (request) => asked.push(request.url()))
  page.on('console', (message) => complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('dialog', (dialog) => complaints.push(dialog.message()))
  await page.goto(pathToFileURL(PAGE_FILE).href)
  return {
    page,
    asked,
    complaints,
    async drop(files) {
      const paths: string[] = []
      for (const [name, bytes] of Object.entries(files)) {
        await writeFile(join(folder, name), bytes)
        paths.push(join(folder, name))
      }
      await page.setInputFiles('#files', paths)
    },
    [Symbol.asyncDispose]: () => context.close(),
  }
}

/** Waits for a verdict that says so: the one before may still stand. */
async function says(page: Page, tone: 'good' | 'fair' | 'bad', text: RegExp): Promise<void> {
  await page.locator(`.verdict.${tone}`, { hasText: text }).waitFor()
}

test(
  'a bundle is verified by the key that was pasted, and says on what that rests',
  { skip },
  async () => {
    await using opened = await openPage()
    const { page, asked, complaints } = opened
    await opened.drop({ 'whole.zip': whole })
    await says(page, 'fair', /Whose is it\?.*anyone can make a bundle/)
    assert.equal(await page.locator('.verdict .mono').textContent(), logKey.vkey)

    await page.fill('#vkeys', logKey.vkey)
    await says(page, 'good', /^Verified.*as far as the key you gave/)
    const facts = (await page.locator('dl.facts').textContent()) ?? ''
    for (const said of [
      'with the key you gave',
      'nobody: the policy',
      '6 records could not be written',
      'Art. 17',
      'earlier checkpoint',
    ])
      assert.ok(facts.includes(said), `${said}: ${facts}`)

    // At most a page of rows is in the document, and the next page follows on it.
    await page.locator('tbody tr td.number', { hasText: /^99$/ }).waitFor()
    assert.equal(await page.locator('tbody tr').count(), 100)
    await page.getByRole('button', { name: 'Later' }).click()
    await page.locator('tbody tr td.number', { hasText: /^100$/ }).waitFor()
    assert.equal(await page.locator('tbody tr').count(), 100)
    assert.deepEqual([complaints, asked], [[], [pathToFileURL(PAGE_FILE).href]])
  },
)

test('what a bundle holds is shown as text, whatever it would be as markup', { skip }, async () => {
  await using opened = await openPage('dark')
  const { page, complaints } = opened
  await page.fill('#vkeys', logKey.vkey)
  await opened.drop({ 'whole.zip': whole })
  await page.getByRole('button', { name: 'Show record 1', exact: true }).press('Enter')
  const detail = (await page.locator('tr.detail').textContent()) ?? ''
  assert.ok(detail.includes(NAME), detail)
  assert.equal(await page.locator('img').count(), 0)
  assert.deepEqual(complaints, [])
})

test('one changed byte is named with its file, its record and its place', { skip }, async () => {
  const files = await unpack(whole)
  const path = 'tile/entries/001'
  const changed = repack(
    new Map(files).set(path, flipped(files.get(path) ?? new Uint8Array(), 9_000)),
  )
  const { report } = await check(changed)
  const [finding] = report.findings
  await using opened = await openPage()
  const { page } = opened
  await page.fill('#vkeys', logKey.vkey)
  await opened.drop({ 'changed.zip': changed })
  await says(page, 'bad', /^Not verified/)
  const cells = await page.locator('main table').first().locator('tbody td').allTextContents()
  assert.deepEqual(cells.slice(0, 3), [path, String(finding?.entry), String(finding?.byte)])
})

test('a key that is not the log’s is no key for it', { skip }, async () => {
  await using opened = await openPage()
  const { page } = opened
  await opened.drop({ 'whole.zip': whole })
  await page.fill('#vkeys', 'no key at all')
  assert.match((await page.locator('#key-problem').textContent()) ?? '', /This is no key/)
  await page.fill('#vkeys', testKey(2).vkey)
  await says(page, 'bad', /Not verified/)
})

test('what is no bundle is refused in words', { skip }, async () => {
  await using opened = await openPage()
  await opened.drop({ 'letter.txt': 'Dear auditor, believe us.' })
  await says(opened.page, 'bad', /Not verified/)
  const table = (await opened.page.locator('main table').first().textContent()) ?? ''
  assert.match(table, /it does not end as a bundle does/)
})

test('a person’s records say that they are not complete by themselves', { skip }, async () => {
  const within = { from: 0, to: story.log.head.size - 1 }
  const scope = { kind: 'person', pseudonym: ALICE, within, complete: false } as const
  const { zip } = await bundleOf(story, { scope, opening: 'chosen' })
  await using opened = await openPage()
  await opened.page.fill('#vkeys', logKey.vkey)
  await opened.drop({ 'person.zip': zip })
  await says(opened.page, 'good', /Not complete by itself/)
})

test('one proof is checked with its record and the key', { skip }, async () => {
  const { entry, proof } = await story.log.proven(3)
  const receipt = formatReceipt({ index: 3n, proof, checkpoint: story.log.head.note })
  await using opened = await openPage()
  const { page } = opened
  await opened.drop({ '3.tlog-proof': receipt })
  await says(page, 'fair', /The record is missing/)
  await opened.drop({ '3.tlog-proof': receipt, '3.entry': entry })
  await says(page, 'fair', /The key is missing/)
  await page.fill('#vkeys', logKey.vkey)
  await says(page, 'good', /This is record 3 of the log/)
  await opened.drop({ '3.tlog-proof': receipt, '3.entry': flipped(entry, 40) })
  await says(page, 'bad', /does not show that this record is in the log/)
})
