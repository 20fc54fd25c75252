import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import test from 'node:test'

import { addendumPath, decodeAddendaEntry } from '@countersign/tlog/addenda'
import * as fc from 'fast-check'

import { decodeAddendum, decodeBody, decodeEntry, scanEntry } from './decode.ts'
import {
  ADDENDA_MAX,
  ADDENDUM_BYTES_MAX,
  BODY_PIECE_BYTES_MAX,
  encodeAddendum,
  encodeBody,
  encodeDraft,
  ENTRY_BYTES_MAX,
} from './encode.ts'
import { arbitraryDraft, arbitraryStamp, someDraft, someStamp } from './encode.testing.ts'
import { RecordError } from './errors.ts'
import { formatLeafList } from './leaf-list.ts'
import type { Draft } from './leaf.ts'
import { READ_LOGS_MAX, READ_ROWS_MAX } from './reading.ts'
import type { ReadFacts } from './reading.ts'

const sha256 = (data: Uint8Array): Uint8Array => createHash('sha256').update(data).digest()
const salt = Uint8Array.from({ length: 16 }, (_, at) => at)

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof RecordError) return error.code
    throw error
  }
  return 'none'
}

test('every draft that can be encoded reads back as what was written, and scans to the same head', () => {
  fc.assert(
    fc.property(arbitraryDraft, arbitraryStamp, (draft, stamp) => {
      const { entry, addenda } = encodeDraft(draft, stamp, sha256)
      const { leaf, digests } = decodeEntry(entry)
      const { session, seq, prev, addenda: names, ...facts } = leaf
      // Compared as JSON: a member that is undefined and one that is absent are the same record.
      assert.deepEqual(facts, JSON.parse(JSON.stringify(draft.leaf)))
      assert.deepEqual({ session, seq, prev }, { prev: undefined, ...stamp })
      assert.deepEqual(
        names ?? [],
        draft.addenda.map(({ name, content }) => ({ name, bytes: content.length })),
      )
      assert.deepEqual(
        digests.map(hex),
        draft.addenda.map(({ content }) => hex(sha256(content))),
      )
      assert.deepEqual(
        addenda,
        draft.addenda.map(({ content }) => content),
      )
      assert.deepEqual(scanEntry(entry), { id: leaf.id, phase: leaf.phase, session, seq, prev })
    }),
  )
})

test('a read of as many scattered records as an answer holds, in as many logs, is one record', () => {
  const perLog = Math.ceil(READ_ROWS_MAX / READ_LOGS_MAX)
  // The largest indexes there are, none next to another, and origins as long as a configuration allows.
  const leaves = (count: number): string =>
    formatLeafList(
      Array.from({ length: count }, (_, at) => Number.MAX_SAFE_INTEGER - 2 * (count - at)),
    )
  const answers = [
    [{ origin: 'o'.repeat(255), leaves: leaves(2 * READ_ROWS_MAX) }],
    Array.from({ length: READ_LOGS_MAX }, (_, at) => ({
      origin: String(at).padStart(255, 'o'),
      leaves: leaves(2 * perLog),
    })),
  ]
  for (const records of answers) {
    const read: ReadFacts = {
      role: 'investigator',
      scope: 'services',
      unmasked: true,
      rows: READ_ROWS_MAX,
      records,
      approval: someStamp.session,
    }
    // An intent and an outcome for each row: more than any answer names.
    const { entry } = encodeDraft(
      { ...someDraft, leaf: { ...someDraft.leaf, read } },
      someStamp,
      sha256,
    )
    assert.deepEqual(decodeEntry(entry).leaf.read, read)
    assert.ok(entry.length < ENTRY_BYTES_MAX, `${entry.length} bytes`)
  }
})

test('what was read is written anew each time, also between records of the same words', () => {
  const facts: ReadFacts = { role: 'auditor', scope: 'all', unmasked: false, rows: 1 }
  const reads = [undefined, facts, { ...facts, rows: 2 }, undefined, facts]
  for (const read of reads) {
    const leaf = read === undefined ? someDraft.leaf : { ...someDraft.leaf, read }
    const { entry } = encodeDraft({ ...someDraft, leaf }, someStamp, sha256)
    assert.deepEqual(decodeEntry(entry).leaf.read, read)
  }
})

test('an entry is what tlog-addenda calls an entry with addenda', () => {
  fc.assert(
    fc.property(arbitraryDraft, (draft) => {
      const { entry } = encodeDraft(draft, someStamp, sha256)
      const digests = decodeAddendaEntry(entry).digests.map(hex)
      assert.deepEqual(digests, decodeEntry(entry).digests.map(hex))
      for (const digest of digests) assert.match(addendumPath(digest), /^addenda\//)
    }),
  )
})

test('no change of one byte of an entry is read as a record, unless it changes a value to another allowed one', () => {
  const { entry } = encodeDraft(someDraft, someStamp, sha256)
  fc.assert(
    fc.property(fc.nat(entry.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const changed = Uint8Array.from(entry)
      changed[at] = (changed[at] ?? 0) ^ flip
      const byDecoder = codeOf(() => decodeEntry(changed))
      assert.equal(
        codeOf(() => scanEntry(changed)),
        byDecoder,
      )
      if (byDecoder !== 'none') return
      // What still reads is a record of its own: written again it gives exactly these bytes, never those of the original.
      const { leaf } = decodeEntry(changed)
      const { session, seq, prev, addenda: _names, ...facts } = leaf
      const stamp = { session, seq, prev }
      const again = encodeDraft({ leaf: facts, addenda: [] }, stamp, sha256).entry
      assert.equal(
        text(again).split('\n')[0],
        text(changed)
          .split('\n')[0]
          ?.replace(/,"addenda":.*$/, '}'),
      )
    }),
    { numRuns: 2000 },
  )
})

/** Freezes the members that the encoder may keep the text of. */
function frozen({ leaf, addenda }: Draft): Draft {
  const { labels, actor, destination, decision, service } = leaf
  for (const member of [labels, actor, destination, decision, service]) Object.freeze(member)
  return { leaf, addenda }
}

test('what the encoder has learned of one draft changes no byte of the next', () => {
  const mixed = fc.tuple(arbitraryDraft.map(frozen), arbitraryDraft.map(frozen))
  fc.assert(
    fc.property(mixed, arbitraryStamp, ([known, other], stamp) => {
      // Once to learn its parts; then with these parts, and values of another draft in between.
      encodeDraft(known, stamp, sha256)
      const { id, time, trace = known.leaf.trace } = other.leaf
      const { addenda } = other
      const varied = { ...known.leaf, id, time, ...(trace === undefined ? {} : { trace }) }
      for (const leaf of [known.leaf, varied]) {
        const draft = { leaf: JSON.parse(JSON.stringify(leaf)), addenda }
        assert.deepEqual(
          encodeDraft({ leaf, addenda }, stamp, sha256).entry,
          encodeDraft(draft, stamp, sha256).entry,
        )
      }
    }),
  )
})

test('a record whose parts were learned is still refused for the value of another member', () => {
  const draft = frozen({
    ...someDraft,
    leaf: { ...someDraft.leaf, labels: Object.freeze(['pii']) },
  })
  const { leaf } = draft
  assert.equal(
    codeOf(() => encodeDraft(draft, someStamp, sha256)),
    'none',
  )
  const wrong: Draft['leaf'][] = [
    { ...leaf, id: leaf.id.toUpperCase() },
    { ...leaf, time: { occurred: '01' } },
    { ...leaf, time: { occurred: '1', observed: '-1' } },
    { ...leaf, trace: { id: 'f', span: '0'.repeat(16) } },
    { ...leaf, trace: { id: '0'.repeat(32), span: '0'.repeat(16), parent: 'F'.repeat(16) } },
    { ...leaf, http: { ...leaf.http, status: 0.5 } },
    { ...leaf, http: { ...leaf.http, duration_ns: -1 } },
  ]
  for (const each of wrong)
    assert.equal(
      codeOf(() => encodeDraft({ leaf: each, addenda: [] }, someStamp, sha256)),
      'RECORD_MALFORMED',
    )
  for (const stamp of [
    { session: 'x', seq: 0 },
    { ...someStamp, seq: -1 },
    { ...someStamp, prev: 'x' },
    { ...someStamp, prev: '' },
    { ...someStamp, session: '' },
  ])
    assert.equal(
      codeOf(() => encodeDraft(draft, stamp, sha256)),
      'RECORD_MALFORMED',
    )
})

test('the order in which a caller lists members does not change the bytes', () => {
  const reversed: Draft['leaf'] = Object.assign(
    { ...someDraft.leaf },
    Object.fromEntries(Object.entries(someDraft.leaf).toReversed()),
  )
  const draft = { leaf: reversed, addenda: someDraft.addenda }
  assert.deepEqual(
    encodeDraft(draft, someStamp, sha256).entry,
    encodeDraft(someDraft, someStamp, sha256).entry,
  )
})

test('the members of the shape stand in the order of the Leaf interface', () => {
  const interfaceText = readFileSync(new URL('leaf.ts', import.meta.url), 'utf8')
  const body = /export interface Leaf \{(.*?)\n\}/s.exec(interfaceText)?.[1] ?? ''
  const inInterface = [...body.matchAll(/^ {2}readonly (\w+)/gm)].map((match) => match[1])
  const shapeText = readFileSync(new URL('decode-leaf.ts', import.meta.url), 'utf8')
  const table = /objectOf<Leaf>\(\{(.*?)\n\}\)/s.exec(shapeText)?.[1] ?? ''
  const inShape = [...table.matchAll(/^ {2}(\w+):/gm)].map((match) => match[1])
  assert.equal(inInterface.length, 29)
  assert.deepEqual(inShape, inInterface)
})

test('an entry may fill its 65,535 bytes and no more; nothing is cut', () => {
  const smallest = encodeDraft(draftWithReason(''), someStamp, sha256).entry.length
  const room = ENTRY_BYTES_MAX - smallest
  const full = encodeDraft(draftWithReason('x'.repeat(room)), someStamp, sha256).entry
  assert.equal(full.length, ENTRY_BYTES_MAX)
  assert.equal(decodeEntry(full).leaf.reason?.length, room)
  for (const reason of ['x'.repeat(room + 1), 'é'.repeat(room / 2 + 1), 'x'.repeat(200_000)]) {
    assert.equal(
      codeOf(() => encodeDraft(draftWithReason(reason), someStamp, sha256)),
      'ENTRY_TOO_LARGE',
    )
  }
})

test('entries that were handed out stay as they are while others are encoded', () => {
  const first = encodeDraft(someDraft, someStamp, sha256).entry
  const copy = Uint8Array.from(first)
  for (let nth = 0; nth < 2000; nth++)
    encodeDraft(draftWithReason('y'.repeat(nth)), someStamp, sha256)
  assert.deepEqual(first, copy)
})

test('addenda have a limit in size and in number', () => {
  const large = { name: 'request', content: new Uint8Array(ADDENDUM_BYTES_MAX) }
  assert.equal(
    codeOf(() => encodeDraft({ ...someDraft, addenda: [large] }, someStamp, sha256)),
    'none',
  )
  const larger = { name: 'request', content: new Uint8Array(ADDENDUM_BYTES_MAX + 1) }
  assert.equal(
    codeOf(() => encodeDraft({ ...someDraft, addenda: [larger] }, someStamp, sha256)),
    'ADDENDUM_TOO_LARGE',
  )
  const many = Array.from({ length: ADDENDA_MAX + 1 }, () => ({ name: 'a', content: salt }))
  assert.equal(
    decodeEntry(encodeDraft({ ...someDraft, addenda: many.slice(1) }, someStamp, sha256).entry)
      .digests.length,
    255,
  )
  assert.equal(
    codeOf(() => encodeDraft({ ...someDraft, addenda: many }, someStamp, sha256)),
    'ADDENDA_TOO_MANY',
  )
  assert.equal(
    codeOf(() => encodeBody('request.body', new Uint8Array(BODY_PIECE_BYTES_MAX), salt)),
    'none',
  )
  assert.equal(
    codeOf(() => encodeBody('request.body', new Uint8Array(BODY_PIECE_BYTES_MAX + 1), salt)),
    'ADDENDUM_TOO_LARGE',
  )
})

test('a number that JSON cannot say is refused with the path of its member', () => {
  for (const [status, rule] of [
    [Number.NaN, /not as we write it|http\.status/],
    [1.5, /http\.status must be a whole number/],
    [-1, /http\.status must be a whole number/],
    [2 ** 53, /http\.status must be a whole number/],
  ] as const) {
    const draft: Draft = { leaf: { ...someDraft.leaf, http: { status } }, addenda: [] }
    assert.throws(() => encodeDraft(draft, someStamp, sha256), {
      code: 'RECORD_MALFORMED',
      message: rule,
    })
  }
})

test('an addendum reads back, with its salt first', () => {
  const object = { path: '/orders/17?x=é', headers: [['a', 'b']], nested: { n: 1 } }
  const { content } = encodeAddendum('request', object, salt)
  assert.ok(text(content).startsWith('{"salt":"000102030405060708090a0b0c0d0e0f",'))
  assert.deepEqual(decodeAddendum(content), { salt, object })
  assert.deepEqual(decodeAddendum(encodeAddendum('request', {}, salt).content).object, {})
})

test('an addendum without a salt, with two, or with bytes after it is refused', () => {
  const hexSalt = '000102030405060708090a0b0c0d0e0f'
  for (const json of [
    '{}',
    '{"a":1}',
    `{"salt":"${hexSalt}"} `,
    `{"salt":"${hexSalt}","salt":"${hexSalt}"}`,
    `{"salt":"${hexSalt}","a":1,"a":1}`,
  ]) {
    assert.equal(
      codeOf(() => decodeAddendum(new TextEncoder().encode(json))),
      'RECORD_MALFORMED',
      json,
    )
  }
  assert.equal(
    codeOf(() => encodeAddendum('request', { salt: 1 }, salt)),
    'RECORD_MALFORMED',
  )
  assert.equal(
    codeOf(() => encodeAddendum('request', {}, salt.subarray(1))),
    'RECORD_MALFORMED',
  )
})

test('a body is its salt and then its bytes', () => {
  const piece = new TextEncoder().encode('{"a":1}\u0000')
  assert.deepEqual(decodeBody(encodeBody('response.body', piece, salt).content), { salt, piece })
  assert.equal(
    codeOf(() => decodeBody(salt.subarray(1))),
    'RECORD_MALFORMED',
  )
})

function draftWithReason(reason: string): Draft {
  return { leaf: { ...someDraft.leaf, reason }, addenda: someDraft.addenda }
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
