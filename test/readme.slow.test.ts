import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkDocument, DOCUMENT_TIMEOUT_MS } from './documents.ts'

test(
  'every shell block of the README does what it says',
  { timeout: DOCUMENT_TIMEOUT_MS },
  async () => {
    const { blocks, skipped } = await checkDocument('README.md')
    assert.ok(blocks.length >= 14, `saw ${blocks.length} blocks`)
    assert.deepEqual(skipped, ['npm install && npm start', 'npm install && npm test'])
  },
)
