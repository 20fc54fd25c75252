import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import keys from '../testdata/key.json' with { type: 'json' }
import vectors from '../testdata/note.json' with { type: 'json' }
import { decodeHex } from './base64.ts'
import { TlogError } from './errors.ts'
import { formatVkey, parseSkey, parseVkey } from './key.ts'
import type { VerifierKey } from './key.ts'
import {
  formatNote,
  NOTE_BYTES_MAX,
  openNote,
  parseNote,
  parseSignatureLines,
  signNote,
} from './note.ts'
import {
  publicKeyOf,
  rejectsCode,
  sha256,
  signer,
  throwsCode,
  verify,
  verifyMlDsa44,
} from './testing.test.ts'
import { utf8 } from './text.ts'

const [first] = keys.validPrivate
assert.ok(first !== undefined)
const skey = parseSkey(first.skey, sha256, publicKeyOf)
const log: VerifierKey = {
  name: skey.name,
  id: skey.id,
  type: skey.type,
  publicKey: publicKeyOf(skey.seed),
}
const signWithLog = { name: skey.name, id: skey.id, sign: signer(skey.seed) }
const trust = { keys: [log], sha256, verify, verifyMlDsa44 }

function known(vkeys: readonly string[]): VerifierKey[] {
  return vkeys.map((vkey) => parseVkey(vkey, sha256))
}

for (const { name, note: text, keys: vkeys, text: expected, verified } of vectors.valid) {
  test(`a note opens: ${name}`, async () => {
    const opened = await openNote(text, { ...trust, keys: known(vkeys) })
    assert.equal(opened.note.text, expected)
    const signatures = opened.verified.map(({ key, timestamp }) => ({
      name: key.name,
      id: key.id,
      ...(timestamp === undefined ? {} : { timestamp: String(timestamp) }),
    }))
    assert.deepEqual(signatures, verified)
    assert.deepEqual(await openNote(utf8(text), { ...trust, keys: known(vkeys) }), opened)
    assert.equal(
      formatNote(
        opened.note.text,
        opened.note.signatures.map(({ line }) => line),
      ),
      text,
    )
  })
}

for (const { name, note: text, noteHex, keys: vkeys, error } of vectors.invalid) {
  test(`a note is refused: ${name}`, async () => {
    const input = noteHex === undefined ? text : decodeHex(noteHex)
    assert.ok(input !== undefined)
    await rejectsCode(() => openNote(input, { ...trust, keys: known(vkeys) }), error)
  })
}

test('without a way to verify ML-DSA-44, its keys are unknown keys', async () => {
  const vector = vectors.valid.find(({ name }) => name.startsWith('an ML-DSA-44'))
  assert.ok(vector !== undefined)
  const { verified } = await openNote(vector.note, { keys: known(vector.keys), sha256, verify })
  assert.deepEqual(
    verified.map(({ key }) => key.name),
    ['log.example/one'],
  )
})

test('a note over a million bytes is refused before it is read', () => {
  throwsCode(() => parseNote('x'.repeat(NOTE_BYTES_MAX + 1)), 'NOTE_TOO_LARGE')
  throwsCode(() => parseNote('x'.repeat(NOTE_BYTES_MAX)), 'NOTE_MALFORMED')
  throwsCode(() => parseNote('\u2014'.repeat(NOTE_BYTES_MAX / 2)), 'NOTE_TOO_LARGE')
})

test('a lone surrogate is no text, since its bytes would be those of another character', async () => {
  throwsCode(() => parseNote('a\ud800b\n\n'), 'UTF8_MALFORMED')
  await rejectsCode(() => signNote('a\ud800b\n', signWithLog), 'UTF8_MALFORMED')
})

test('a key put together by hand is checked like a parsed one', async () => {
  const note = formatNote('text\n', [await signNote('text\n', signWithLog)])
  await rejectsCode(
    () => openNote(note, { ...trust, keys: [{ ...log, id: 1 }] }),
    'KEY_ID_MISMATCH',
  )
  await rejectsCode(
    () => openNote(note, { ...trust, keys: [{ ...log, publicKey: new Uint8Array(32) }] }),
    'KEY_SMALL_ORDER',
  )
})

test('a text that does not end in a newline, or lines that hold one, make no note', async () => {
  const line = await signNote('text\n', signWithLog)
  throwsCode(() => formatNote('text', [line]), 'NOTE_MALFORMED')
  throwsCode(() => formatNote('text\n', []), 'NOTE_MALFORMED')
  throwsCode(() => formatNote('text\n', [`${line}\n${line}`]), 'NOTE_MALFORMED')
  throwsCode(() => formatNote('text\n', [`${line}\n`]), 'NOTE_MALFORMED')
  await rejectsCode(() => signNote('text', signWithLog), 'NOTE_MALFORMED')
  await rejectsCode(
    () => signNote('text\n', { ...signWithLog, sign: () => new Uint8Array(63) }),
    'SIGNATURE_MALFORMED',
  )
  await rejectsCode(() => signNote('text\n', { ...signWithLog, name: 'a b' }), 'KEY_NAME_INVALID')
})

test('the answer of a witness reads as signature lines', async () => {
  const line = await signNote('text\n', signWithLog)
  assert.deepEqual(
    parseSignatureLines(`${line}\n${line}\n`).map((signature) => signature.line),
    [line, line],
  )
  throwsCode(() => parseSignatureLines(line), 'NOTE_MALFORMED')
  throwsCode(() => parseSignatureLines(''), 'NOTE_MALFORMED')
  throwsCode(() => parseSignatureLines(`${line}\n\n`), 'SIGNATURE_MALFORMED')
})

test('any text that is signed opens, and no flipped bit of the note does', async () => {
  const unit = fc.constantFrom('a', '\n', '\u2014', ' ', '\u00e9', '+', '\u{1f600}')
  const text = fc.string({ unit, maxLength: 40 }).map((start) => `${start}\n`)
  await fc.assert(
    fc.asyncProperty(text, fc.nat(), async (signed, at) => {
      const note = formatNote(signed, [await signNote(signed, signWithLog)])
      const opened = await openNote(note, trust)
      assert.equal(opened.note.text, signed)
      const bytes = utf8(note)
      const bit = at % (bytes.length * 8)
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      await assert.rejects(() => openNote(bytes, trust), TlogError)
    }),
  )
})

test('arbitrary bytes are refused with a code of this package, never with another error', () => {
  const part = fc.constantFrom(
    '\n',
    '\n\n',
    '\u2014 ',
    'log.example ',
    'AAAAAAA=',
    ' ',
    '\r',
    '\u0000',
    'x',
  )
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      try {
        parseNote(parts.join(''))
      } catch (error) {
        assert.ok(error instanceof TlogError)
      }
    }),
    { numRuns: 500 },
  )
  assert.equal(typeof formatVkey(log), 'string')
})
