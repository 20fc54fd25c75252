/**
 * Erases a subject. The order is the guarantee: the record is durable before anything is lost, and each step can be done again. A
 * generator, so that the order stands in one place: it yields after each step, and whoever stops asking stops as a crash would.
 */
import { formatLeafList } from '@countersign/record/leaf-list'
import type { Lifecycle } from '@countersign/record/leaf'
import { leafIndex } from '@countersign/tlog/size'
import { forgetSubject } from '../identity.ts'
import type { Ledger } from '../ledger.ts'
import { destroyKey } from '../seal.ts'
import type { SubjectScan } from './subject-scan.ts'

/** What was just done, and cannot be undone. */
export type ErasureStep =
  | { readonly step: 'recorded'; readonly record: number; readonly leaves: string }
  | { readonly step: 'name_forgotten' }
  | { readonly step: 'key_destroyed' }
  | { readonly step: 'addenda_removed'; readonly record: number; readonly addenda: number }

export interface ErasureOptions {
  readonly ledger: Ledger
  readonly stateDir: string
  readonly subject: string
  readonly basis: string
  readonly by: string
  /** Has been read to the end, and found no hold. */
  readonly scan: SubjectScan
  /** Appends a record of this kind and waits until it is durable; returns its index. */
  readonly append: (fact: Lifecycle) => Promise<number>
  /** Characters of the list of leaves in one record; a longer one takes several. */
  readonly leavesCharactersMax?: number
}

/** Leaves room for the rest of an entry of 65,535 bytes. */
const LEAVES_CHARACTERS_MAX = 50_000

/** The lock on erasures must be held: see seal/erasure-lock.ts. */
export async function* erasing(
  options: ErasureOptions,
): AsyncGenerator<ErasureStep, void, undefined> {
  const { ledger, scan, stateDir, subject } = options
  // A crash before the first record leaves everything as it was; between records, what is named is still there. Run again, the
  // records that are durable count, and only the rest is named anew.
  yield* record(options, scan.erasures.length === 0)
  // From here on it is on record that this person was erased. A crash leaves the key: run again, it goes.
  await forgetSubject({ stateDir, pseudonym: subject })
  yield { step: 'name_forgotten' }
  // The first record says under which erasure the key went. A crash after this leaves ciphertexts that nobody can open.
  await destroyKey({ stateDir, subject, record: scan.erasures[0] ?? 0 })
  yield { step: 'key_destroyed' }
  // What was sealed while the list was made is named as well, so that nothing goes that no record names. What a request under way
  // seals from now on is sealed under a key that nobody keeps.
  await ledger.publish()
  await scan.readOn()
  yield* record(options, false)
  // By every record of this subject, also of an erasure that was cut short. A crash leaves packs as they were or as they should be.
  for (const at of scan.erasures)
    yield { step: 'addenda_removed', record: at, addenda: await ledger.erase(leafIndex(at)) }
}

/** Puts on record what is there and not named yet; an erasure without addenda has a record too. */
async function* record(
  options: ErasureOptions,
  evenIfNone: boolean,
): AsyncGenerator<ErasureStep, void, undefined> {
  const { ledger, scan, append, subject, basis, by } = options
  const open = scan.open
  if (open.length === 0 && !evenIfNone) return
  const lists = splitList(
    formatLeafList(open),
    options.leavesCharactersMax ?? LEAVES_CHARACTERS_MAX,
  )
  for (const [at, leaves] of lists.entries()) {
    const numbered = { part: at + 1, parts: lists.length }
    const index = await append({ kind: 'erasure', subject, basis, by, leaves, ...numbered })
    yield { step: 'recorded', record: index, leaves }
  }
  // They are in the log now: read there, like any others.
  await ledger.publish()
  await scan.readOn()
}

/** Cuts a list between its runs. */
function splitList(list: string, charactersMax: number): string[] {
  const lists: string[] = []
  let rest = list
  while (rest.length > charactersMax) {
    const cut = rest.lastIndexOf(',', charactersMax)
    lists.push(rest.slice(0, cut))
    rest = rest.slice(cut + 1)
  }
  return [...lists, rest]
}
