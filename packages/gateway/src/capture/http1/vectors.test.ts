/** The vectors of the reverse listener, through our codec instead of node:http: the same verdicts, by the same names. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { z } from 'zod'
import { parseHead } from '../canonical-request.ts'
import { readRequests } from './testing/requests.ts'

const vector = z.object({
  name: z.string(),
  raw: z.string(),
  defect: z.string().optional(),
  defects: z.array(z.string()).optional(),
  trusted: z.boolean().optional(),
})
const vectors = z
  .object({ refused: z.array(vector), accepted: z.array(vector) })
  .parse(
    JSON.parse(
      readFileSync(new URL('../../../testdata/http/requests.json', import.meta.url), 'utf8'),
    ),
  )

/** What is wrong with the first request, or nothing. */
function verdict(raw: string): string | undefined {
  const { messages, defect } = readRequests([Buffer.from(raw, 'latin1')])
  const head = messages[0]?.head
  if (head === undefined) return defect ?? 'incomplete'
  const parsed = parseHead(head, { listener: 'origin', scheme: 'http', bodyBytesMax: 2 ** 30 })
  return typeof parsed === 'string' ? parsed : defect
}

// What depends on who the peer is stands beyond the codec, and so does what a body of a Terabyte is.
for (const { name, raw, defect = '', defects = [defect], trusted } of vectors.refused) {
  if (trusted === true || defect === 'body_too_large') continue
  test(`${name}: refused by the same name`, () => {
    const found = verdict(raw) ?? 'accepted'
    assert.ok(defects.includes(found), `${found}, not ${defects.join(' or ')}`)
  })
}

for (const { name, raw } of vectors.accepted) {
  test(`${name}: accepted`, () => assert.equal(verdict(raw), undefined))
}
