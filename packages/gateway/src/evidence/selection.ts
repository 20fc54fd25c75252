/**
 * From what was asked for to records: which are meant, what must come along to make them provable, and which addenda are opened. Reads
 * the log once where it must look at every record. Nothing here is believed yet: the finished bundle is checked as an auditor will.
 */
import { decodeEntry } from '@countersign/record/decode'
import type { DecodedRecord } from '@countersign/record/decode'
import { isAbout } from '@countersign/verifier/bundle/record-facts'
import type { Claim, Manifest } from '@countersign/verifier/bundle/manifest'
import { BUNDLE_FILES_MAX } from '@countersign/verifier/bundle/limits'
import { formatLeafList } from '@countersign/record/leaf-list'
import { TILE_WIDTH } from '@countersign/tlog/tile'
import { EvidenceError } from './errors.ts'
import type { EvidenceAddenda, EvidenceLog } from './log.ts'

/** Leaf indexes, both included. */
export interface LeafRange {
  readonly from: number
  readonly to: number
}

/** What is asked for. `within` bounds where a person is looked for; `complete` asks for all of it to come along. A session that `isOpen` has no
 * shutdown on record: its last record is the last before the end of the log. */
export type Scope =
  | {
      readonly kind: 'range'
      readonly range: LeafRange
      readonly since?: string
      readonly until?: string
    }
  | {
      readonly kind: 'session'
      readonly session: string
      readonly range: LeafRange
      readonly isOpen: boolean
    }
  | {
      readonly kind: 'person'
      readonly pseudonym: string
      readonly within: LeafRange
      readonly complete: boolean
    }
  | { readonly kind: 'record'; readonly indexes: readonly number[] }

/** Whose addenda are opened: nobody's, or those of the records that are meant. */
export type Opening = 'none' | 'chosen'

/** An addendum that is opened. */
export interface ChosenAddendum {
  readonly index: number
  readonly ordinal: number
  readonly digest: Uint8Array
}

/** What a bundle will hold. */
export interface Selection {
  readonly scope: Manifest['scope']
  readonly claim: Claim
  /** Leaf indexes, as a record spells them. */
  readonly records: string
  /** Whole bundles that hold these leaf indexes, or receipts of the records alone. `toEnd`: up to whatever the log ends with. */
  readonly carried: 'receipts' | (LeafRange & { readonly toEnd: boolean })
  readonly addenda: readonly ChosenAddendum[]
}

export interface SelectionTools {
  readonly log: EvidenceLog
  readonly addenda: EvidenceAddenda
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

/**
 * Chooses.
 * @throws {EvidenceError} `EVIDENCE_EMPTY` when nothing fits, `EVIDENCE_LIMIT` when there are more addenda than a bundle has files
 */
export async function selectEvidence(
  scope: Scope,
  opening: Opening,
  tools: SelectionTools,
): Promise<Selection> {
  const indexes = await recordsOf(scope, tools)
  const addenda = opening === 'none' ? [] : await addendaOf(indexes, tools)
  const records = formatLeafList(indexes)
  if (records === '')
    throw new EvidenceError('EVIDENCE_EMPTY', 'could not export: no record fits what was asked for')
  return { ...shapeOf(scope), records, addenda }
}

/** Whether a scope already says where its records are; a person's must be looked for. */
async function recordsOf(scope: Scope, tools: SelectionTools): Promise<Iterable<number>> {
  if (scope.kind === 'person') return personRecords(scope, tools)
  if (scope.kind === 'record') return scope.indexes.toSorted((a, b) => a - b)
  return upTo(scope.range)
}

function shapeOf(scope: Scope): Pick<Selection, 'scope' | 'claim' | 'carried'> {
  switch (scope.kind) {
    case 'range': {
      const { since, until, range } = scope
      const times = {
        ...(since === undefined ? {} : { since }),
        ...(until === undefined ? {} : { until }),
      }
      return {
        scope: { kind: 'range', ...times },
        claim: 'range',
        carried: { ...range, toEnd: false },
      }
    }
    case 'session': {
      const { session, range, isOpen } = scope
      return {
        scope: { kind: 'session', subject: session },
        claim: 'session',
        carried: { ...range, toEnd: isOpen },
      }
    }
    case 'person': {
      const { pseudonym, within, complete } = scope
      return {
        scope: { kind: 'person', subject: pseudonym, ...within },
        claim: complete ? 'filtered' : 'none',
        carried: complete ? { ...within, toEnd: false } : 'receipts',
      }
    }
    case 'record':
      return { scope: { kind: 'record' }, claim: 'none', carried: 'receipts' }
    default:
      return scope satisfies never
  }
}

/** Their records, and the outcomes of what they began; in the order of the log. */
async function personRecords(
  { pseudonym, within }: Extract<Scope, { kind: 'person' }>,
  { log, onProgress }: SelectionTools,
): Promise<number[]> {
  const found: number[] = []
  const begun = new Set<string>()
  for await (const { index, record } of recordsIn(within, log)) {
    const { leaf } = record
    onProgress?.(index - within.from + 1, within.to - within.from + 1)
    if (!isAbout(leaf, pseudonym) && !begun.has(leaf.id)) continue
    found.push(index)
    if (leaf.phase === 'intent') begun.add(leaf.id)
    else begun.delete(leaf.id)
  }
  return found
}

async function addendaOf(
  indexes: Iterable<number>,
  { log, addenda }: SelectionTools,
): Promise<ChosenAddendum[]> {
  const chosen: ChosenAddendum[] = []
  for await (const { index, record } of recordsAt(indexes, log)) {
    for (const [ordinal, digest] of record.digests.entries()) {
      if ((await addenda({ index, ordinal, digest })) === undefined) continue
      chosen.push({ index, ordinal, digest: Uint8Array.from(digest) })
      if (chosen.length <= BUNDLE_FILES_MAX) continue
      throw new EvidenceError(
        'EVIDENCE_LIMIT',
        `could not export so much: a bundle holds at most ${BUNDLE_FILES_MAX} addenda`,
        { hint: 'export it in several ranges, or without --open' },
      )
    }
  }
  return chosen
}

interface PlacedRecord {
  readonly index: number
  readonly record: DecodedRecord
}

async function* recordsIn(
  range: LeafRange,
  log: EvidenceLog,
): AsyncGenerator<PlacedRecord, void, undefined> {
  yield* recordsAt(upTo(range), log)
}

/** Records at ascending indexes; each bundle is read once. */
async function* recordsAt(
  indexes: Iterable<number>,
  log: EvidenceLog,
): AsyncGenerator<PlacedRecord, void, undefined> {
  let bundle = -1
  let entries: readonly Uint8Array[] = []
  for (const index of indexes) {
    const wanted = Math.floor(index / TILE_WIDTH)
    if (wanted !== bundle) entries = await log.bundle(wanted)
    bundle = wanted
    const entry = entries[index % TILE_WIDTH]
    if (entry === undefined)
      throw new EvidenceError(
        'EVIDENCE_BROKEN',
        `could not export: record ${index} is missing from the log`,
      )
    yield { index, record: decodeEntry(entry) }
  }
}

/** Can be gone through more than once. */
function upTo({ from, to }: LeafRange): Iterable<number> {
  return {
    *[Symbol.iterator]() {
      for (let index = from; index <= to; index++) yield index
    },
  }
}
