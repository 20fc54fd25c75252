/**
 * A log whose key was rotated is a new log: its entry 0 names the old one, its last size and root, and holds the old log's last
 * checkpoint as it was signed. So two logs are one history, for whoever trusts both keys.
 */
import { decodeEntry } from '@countersign/record/decode'
import { RecordError } from '@countersign/record/errors'
import type { Lifecycle } from '@countersign/record/leaf'
import { encodeHex } from '@countersign/tlog/base64'
import { decodeBundle } from '@countersign/tlog/bundle'
import { parseCheckpoint } from '@countersign/tlog/checkpoint'
import type { Checkpoint } from '@countersign/tlog/checkpoint'
import { TlogError } from '@countersign/tlog/errors'
import { parseNote } from '@countersign/tlog/note'
import { tileWidth } from '@countersign/tlog/tile'

import type { Findings } from './finding.ts'
import { growthProblem, openHead, readHead } from './head.ts'
import type { HeadTrust } from './head.ts'
import { readTile } from './source.ts'
import type { LogSource } from './source.ts'

type Rotation = Extract<Lifecycle, { kind: 'rotation' }>

/** The log that another one continues. */
export interface Continued {
  readonly origin: string
  /** How many entries it had. */
  readonly size: number
  /** Hexadecimal. */
  readonly root: string
  /** Names of the keys whose signatures on its last checkpoint verified: none unless a key of it was given. */
  readonly signedBy: readonly string[]
  /** How many entries it has now, and begins with those it had; absent when it was not at hand. */
  readonly now?: number | undefined
}

const RECORD = 'the checkpoint in entry 0'
const OLD_LOG = 'checkpoint of the old log'

/** What entry 0 says about an older log, held against that log when it is at hand. */
export async function verifyRotation(
  size: number,
  trust: HeadTrust & { readonly continues?: LogSource | undefined },
  findings: Findings,
): Promise<Continued | undefined> {
  const rotation = await readRotation(size, trust.source)
  if (rotation === undefined) {
    if (trust.continues !== undefined) {
      const message = 'it is no rotation record: this log says of no other that it continues it'
      findings.add({ code: 'ROTATION_MISMATCH', path: 'entry 0', message, entry: 0 })
    }
    return undefined
  }
  const last = checkpointOf(rotation, findings)
  if (last === undefined) return undefined
  const isKeyGiven = trust.keys.some(({ name }) => name === rotation.origin)
  const opened = isKeyGiven
    ? await openHead(rotation.checkpoint, trust, { path: RECORD, findings })
    : undefined
  const now = await sizeNow(last, trust, findings)
  const { origin, root } = rotation
  return { origin, size: rotation.size, root, signedBy: opened?.signedBy ?? [], now }
}

async function readRotation(size: number, source: LogSource): Promise<Rotation | undefined> {
  if (size === 0) return undefined
  const width = tileWidth(size, 'entries', 0)
  const bundle = await readTile(source, { level: 'entries', index: 0, width })
  try {
    const [first] = decodeBundle(bundle ?? new Uint8Array(0))
    const lifecycle = first === undefined ? undefined : decodeEntry(first).leaf.lifecycle
    return lifecycle?.kind === 'rotation' ? lifecycle : undefined
  } catch (error) {
    // What is no record is a finding of those who read them all.
    if (error instanceof TlogError || error instanceof RecordError) return undefined
    throw error
  }
}

/** The checkpoint in the record, which must say what the record says. */
function checkpointOf(rotation: Rotation, findings: Findings): Checkpoint | undefined {
  const add = (message: string): undefined => {
    findings.add({ code: 'ROTATION_MISMATCH', path: RECORD, message, entry: 0 })
    return undefined
  }
  try {
    const checkpoint = parseCheckpoint(parseNote(rotation.checkpoint).text)
    const { origin, size, root } = checkpoint
    const isSame =
      origin === rotation.origin &&
      size === BigInt(rotation.size) &&
      encodeHex(root) === rotation.root
    return isSame ? checkpoint : add('it is not of the origin, size and root that the record names')
  } catch (error) {
    if (error instanceof TlogError) return add(error.message)
    throw error
  }
}

/** Of the old log as it is now: it must begin with what it had. */
async function sizeNow(
  last: Checkpoint,
  trust: HeadTrust & { readonly continues?: LogSource | undefined },
  findings: Findings,
): Promise<number | undefined> {
  const { continues: source } = trust
  if (source === undefined) return undefined
  const now = (await readHead({ ...trust, source }, { path: OLD_LOG, findings }))?.checkpoint
  if (now === undefined) return undefined
  const add = (code: 'LOG_FORKED' | 'LOG_SHRANK', message: string): undefined => {
    findings.add({ code, path: OLD_LOG, message })
    return undefined
  }
  if (now.origin !== last.origin) {
    const [is, was] = [JSON.stringify(now.origin), JSON.stringify(last.origin)]
    return add('LOG_FORKED', `it is of another log: ${is}, and entry 0 continues ${was}`)
  }
  if (now.size < last.size) {
    const message = `the old log shrank: entry 0 continues it at ${last.size} entries, and it has ${now.size}`
    return add('LOG_SHRANK', message)
  }
  const problem = await growthProblem(last, now, { ...trust, source })
  if (problem === undefined) return Number(now.size)
  return add(
    'LOG_FORKED',
    `the old log forked: its first ${last.size} entries are not those that entry 0 continues (${problem})`,
  )
}
