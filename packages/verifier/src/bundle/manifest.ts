/**
 * The manifest of a bundle: what is in it, who asked and why, and what it claims to be complete in. Only its sender vouches for it: a
 * reader holds every member against the log where it can, and says so where it cannot. One manifest has one spelling.
 */
import { RecordError } from '@countersign/record/errors'
import { parseLeafList } from '@countersign/record/leaf-list'
import type { LeafRun } from '@countersign/record/leaf-list'

import { PLAIN_FILES } from './layout.ts'
import type { PlainFile } from './layout.ts'
import { BUNDLE_TEXT_BYTES_MAX } from './limits.ts'

export type ScopeKind = 'range' | 'session' | 'person' | 'record'

/**
 * What a bundle claims to be complete in. `range`: every record between two places. `session`: every record of one life of a writer.
 * `filtered`: every record of one person within a range that came with it. `none`: nothing; there may be more.
 */
export type Claim = 'range' | 'session' | 'filtered' | 'none'

export interface Manifest {
  readonly format: 'countersign-bundle'
  readonly v: 1
  readonly log: {
    readonly origin: string
    readonly size: number
    /** Hexadecimal. */
    readonly root: string
  }
  readonly asked: {
    readonly by: string
    readonly purpose: string
    /** The case that records were disclosed for. */
    readonly matter?: string
    /** When, by the clock of who exported: RFC 3339, UTC, whole seconds. */
    readonly at: string
  }
  /** Leaf indexes of the records that the log has of this export; empty when it has none. */
  readonly recorded: string
  readonly scope: {
    readonly kind: ScopeKind
    /** The session or the pseudonym, where the scope is one. */
    readonly subject?: string
    /** The times that were asked for, where the scope was chosen by time. */
    readonly since?: string
    readonly until?: string
    /** Where a person was looked for: leaf indexes, both included. */
    readonly from?: number
    readonly to?: number
  }
  /** Leaf indexes of the records that were asked for. */
  readonly records: string
  /** How records came: in whole entry bundles (`from` to `to` are leaf indexes, both included), or each with a receipt. */
  readonly carried: 'receipts' | { readonly from: number; readonly to: number }
  /** Addenda whose content can be read. */
  readonly opened: number
  readonly claim: Claim
  /** SHA-256, hexadecimal, of the files that nothing in the log vouches for. */
  readonly files: Readonly<Record<PlainFile, string>>
}

/** The bytes of a manifest. */
export function encodeManifest(manifest: Manifest): Uint8Array {
  return new TextEncoder().encode(spell(manifest))
}

/** Why a manifest cannot be read. */
export class ManifestError extends Error {
  override readonly name: string = 'ManifestError'
}

/** Reads a manifest, and only the spelling that `encodeManifest` gives. @throws {ManifestError} */
export function decodeManifest(bytes: Uint8Array): Manifest {
  if (bytes.length > BUNDLE_TEXT_BYTES_MAX)
    throw new ManifestError(`it is over ${BUNDLE_TEXT_BYTES_MAX} bytes`)
  let value: unknown
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    value = JSON.parse(text)
  } catch (cause) {
    throw new ManifestError('it is no JSON', { cause })
  }
  checkManifest(value)
  if (spell(value) !== text) throw new ManifestError('it is not spelled as a bundle spells it')
  return value
}

/** The runs of a list of leaves in a manifest that was read. */
export function runsOf(list: string): readonly LeafRun[] {
  return parseLeafList(list)
}

function spell(manifest: Manifest): string {
  return `${JSON.stringify(manifest, null, 2)}\n`
}

/** Says whether a value may stand for a member. */
type Check = (value: unknown) => boolean

const TEXT_CHARACTERS_MAX = 4096

const text: Check = (value) =>
  typeof value === 'string' && value.length <= TEXT_CHARACTERS_MAX && value.isWellFormed()
const whole: Check = (value) => Number.isSafeInteger(value) && Number(value) >= 0
const digest: Check = (value) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
const time: Check = (value) =>
  typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(value)
const oneOf =
  (...words: readonly string[]): Check =>
  (value) =>
    typeof value === 'string' && words.includes(value)
const leafList: Check = (value) => {
  if (typeof value !== 'string') return false
  try {
    parseLeafList(value)
    return true
  } catch (error) {
    if (error instanceof RecordError) return false
    throw error
  }
}

/** Members in their order; one whose check is wrapped in `optional` may be absent. */
function objectOf(members: Readonly<Record<string, Check>>): Check {
  const order = Object.keys(members)
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
    const found = new Map<string, unknown>(Object.entries(value))
    const known = order.filter((name) => found.has(name))
    if (known.join(' ') !== [...found.keys()].join(' ')) return false
    return order.every((name) => members[name]?.(found.get(name)) === true)
  }
}

const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value)

const members: Readonly<Record<keyof Manifest, Check>> = {
  format: oneOf('countersign-bundle'),
  v: (value) => value === 1,
  log: objectOf({ origin: text, size: whole, root: digest }),
  asked: objectOf({ by: text, purpose: text, matter: optional(text), at: time }),
  recorded: leafList,
  scope: objectOf({
    kind: oneOf('range', 'session', 'person', 'record'),
    subject: optional(text),
    since: optional(time),
    until: optional(time),
    from: optional(whole),
    to: optional(whole),
  }),
  records: leafList,
  carried: (value) => value === 'receipts' || objectOf({ from: whole, to: whole })(value),
  opened: whole,
  claim: oneOf('range', 'session', 'filtered', 'none'),
  files: objectOf(Object.fromEntries(PLAIN_FILES.map((name) => [name, digest]))),
}

function checkManifest(value: unknown): asserts value is Manifest {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new ManifestError('it is no object')
  const found = new Map<string, unknown>(Object.entries(value))
  for (const [name, check] of Object.entries(members))
    if (!check(found.get(name)))
      throw new ManifestError(`its member ${name} is not as it should be`)
  if ([...found.keys()].join(' ') !== Object.keys(members).join(' '))
    throw new ManifestError('it has members that no bundle has, or in another order')
}
