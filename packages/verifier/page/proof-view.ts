/** One C2SP tlog-proof and its record. */
import { decodeEntry } from '@countersign/record/decode'
import { RecordError } from '@countersign/record/errors'
import { encodeHex } from '@countersign/tlog/base64'
import { TlogError } from '@countersign/tlog/errors'
import type { VerifierKey } from '@countersign/tlog/key'
import { parseReceipt, verifyReceipt } from '@countersign/tlog/receipt'
import { SignatureType } from '@countersign/tlog/key'

import { browserCrypto } from './browser-crypto.ts'
import { element } from './elements.ts'
import { factList, verdict } from './verdict-view.ts'
import { time } from './words.ts'

/** What the page says about a proof. */
export async function proofResult(
  proof: Uint8Array,
  entry: Uint8Array | undefined,
  keys: readonly VerifierKey[],
): Promise<Node[]> {
  if (entry === undefined)
    return [
      verdict('fair', 'The record is missing', [
        'A proof is about a record. Drop both files together: the .tlog-proof, and the record itself (.entry).',
      ]),
    ]
  if (keys.length === 0)
    return [
      verdict('fair', 'The key is missing', [
        'A proof brings no key along. Paste the key of the log above, and it is checked.',
      ]),
    ]
  try {
    return await verified(proof, entry, keys)
  } catch (error) {
    if (!(error instanceof TlogError)) throw error
    return [
      verdict('bad', 'Not verified', [
        `The proof does not show that this record is in the log: ${error.message}.`,
      ]),
    ]
  }
}

async function verified(
  proof: Uint8Array,
  entry: Uint8Array,
  keys: readonly VerifierKey[],
): Promise<Node[]> {
  const { sha256, ed25519Verify, verifyMlDsa44 } = browserCrypto
  const receipt = parseReceipt(proof)
  const found = await verifyReceipt({
    receipt,
    entry,
    // Witnesses' keys among the given ones are known as well: a bad signature of theirs is refused too.
    policy: {
      logs: keys.filter(isLogKey).map((key) => ({ key })),
      witnesses: keys.filter((key) => !isLogKey(key)).map((key) => ({ name: key.name, key })),
      groups: [],
      quorum: 'none',
    },
    sha256,
    verify: ed25519Verify,
    verifyMlDsa44,
  })
  const { origin, size, root } = found.checkpoint
  return [
    verdict('good', 'Verified', [
      `This is record ${found.index} of the log ${origin}, exactly as it was signed. This holds as far as the key you gave is the key of that log.`,
    ]),
    element('h2', {}, 'What was checked'),
    factList([
      ['Log', [origin]],
      ['Its state', [`${size} records, root ${encodeHex(root)}`]],
      [
        'Signed by',
        found.verified.map(({ key, timestamp }) =>
          timestamp === undefined
            ? key.name
            : `${key.name}, at ${time(`${timestamp}000000000`)} UTC`,
        ),
      ],
    ]),
    element('h2', {}, 'The record'),
    element('pre', {}, recordText(entry)),
  ]
}

function isLogKey({ type }: VerifierKey): boolean {
  return type !== SignatureType.cosignatureV1
}

function recordText(entry: Uint8Array): string {
  try {
    return JSON.stringify(decodeEntry(entry).leaf, null, 2)
  } catch (error) {
    if (!(error instanceof RecordError)) throw error
    // Another log's entries are no records of ours, and as provable.
    return new TextDecoder('utf-8').decode(entry)
  }
}
