/** What the page that checks evidence says of a file, in a real browser with the network off. */
import assert from 'node:assert/strict'
import { pathToFileURL } from 'node:url'
import { chromium } from 'playwright-core'
import { findCommand } from '../setup.ts'

/** The verdict in its own words, and the file, record and byte of each thing that is wrong. */
export interface Verdict {
  readonly tone: 'good' | 'fair' | 'bad'
  readonly text: string
  readonly findings: readonly string[]
}

/** @param page the page itself: that of a bundle, say. @param vkeys what the reader pastes. */
export async function verdictOf(
  page: string,
  { bundle, vkeys, screenshot }: { bundle: string; vkeys: string; screenshot?: string },
): Promise<Verdict> {
  const executablePath = findCommand('chromium')
  assert.ok(executablePath !== undefined, 'there is a Chromium')
  // Root has no sandbox to give; the page loads nothing anyway.
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  try {
    const context = await browser.newContext({ offline: true })
    const opened = await context.newPage()
    await opened.goto(pathToFileURL(page).href)
    await opened.fill('#vkeys', vkeys)
    await opened.setInputFiles('#files', bundle)
    const verdict = opened.locator('.verdict.good, .verdict.fair, .verdict.bad')
    await verdict.waitFor()
    const classes = (await verdict.getAttribute('class')) ?? ''
    const tone = (['good', 'fair', 'bad'] as const).find((one) => classes.includes(one))
    assert.ok(tone !== undefined)
    if (screenshot !== undefined) await opened.screenshot({ path: screenshot, fullPage: true })
    const table = opened.locator('main table').first().locator('tbody tr')
    return {
      tone,
      text: (await verdict.textContent()) ?? '',
      findings: tone === 'bad' ? await table.allTextContents() : [],
    }
  } finally {
    await browser.close()
  }
}
