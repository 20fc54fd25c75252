import { TlogError } from './errors.ts'
import { equalBytes } from './hash.ts'
import type { Sha256 } from './hash.ts'
import { keyHandle, parseVkey, SignatureType } from './key.ts'
import type { VerifierKey } from './key.ts'
import type { VerifiedSignature } from './note.ts'
import { parseDecimal } from './size.ts'
import { byteLength, decodeUtf8 } from './text.ts'

/** A log whose checkpoints are accepted: the name of its key is its origin. */
export interface PolicyLog {
  readonly key: VerifierKey
  readonly url?: string
}

/** A witness, under the name that groups and the quorum know it by. */
export interface PolicyWitness {
  readonly name: string
  readonly key: VerifierKey
  readonly url?: string
}

/** A witness that can be asked: `url` is its submission prefix. */
export interface AskableWitness extends PolicyWitness {
  readonly url: string
}

/** A group witnesses a checkpoint when `threshold` of its members do. */
export interface PolicyGroup {
  readonly name: string
  readonly threshold: number
  readonly members: readonly string[]
}

/** Which logs are accepted, and which cosignatures are enough. `quorum` names a witness, a group, or `none`. */
export interface WitnessPolicy {
  readonly logs: readonly PolicyLog[]
  readonly witnesses: readonly PolicyWitness[]
  readonly groups: readonly PolicyGroup[]
  readonly quorum: string
}

/** Bytes of a policy file. */
export const POLICY_BYTES_MAX = 1_000_000

/** Logs, witnesses and groups of a policy, each; the specification asks for 32 at least. */
export const POLICY_LINES_MAX = 256

/** Witnesses that one log can ask: their cosignatures and the log's own signatures must fit one note. */
export const ASKED_WITNESSES_MAX = 64

/** The quorum that asks for no cosignature. */
export const QUORUM_NONE = 'none'

/**
 * Reads a policy file: `log`, `witness`, `group` and `quorum` lines.
 * @throws {TlogError} `POLICY_MALFORMED` with the number of the line, `UTF8_MALFORMED`
 * @see https://c2sp.org/tlog-policy
 */
export function parsePolicy(input: Uint8Array | string, sha256: Sha256): WitnessPolicy {
  if (byteLength(input) > POLICY_BYTES_MAX) throw malformed(`it is over ${POLICY_BYTES_MAX} bytes`)
  const text = decodeUtf8(input)
  if (!text.endsWith('\n')) throw malformed('its last line has no newline')
  const reader = new PolicyReader(sha256)
  for (const [at, line] of text.slice(0, -1).split('\n').entries()) {
    try {
      reader.take(line)
    } catch (error) {
      if (!(error instanceof TlogError)) throw error
      throw new TlogError(
        'POLICY_MALFORMED',
        `could not read line ${at + 1} of the policy: ${error.message}`,
        { cause: error },
      )
    }
  }
  return reader.finish()
}

/** Whether the cosignatures that verified are enough. Signatures of other keys count for nothing. */
export function evaluateQuorum(
  policy: WitnessPolicy,
  verified: readonly VerifiedSignature[],
): boolean {
  if (policy.quorum === QUORUM_NONE) return true
  const witnessed = new Set<string>()
  for (const witness of policy.witnesses) {
    if (verified.some(({ key }) => sameKey(key, witness.key))) witnessed.add(witness.name)
  }
  // A group names only what stands before it, so one pass in order settles all of them.
  for (const group of policy.groups) {
    const count = group.members.filter((member) => witnessed.has(member)).length
    if (count >= group.threshold) witnessed.add(group.name)
  }
  return witnessed.has(policy.quorum)
}

/**
 * The witnesses of a policy, for a log that wants to ask them all.
 * @throws {TlogError} `POLICY_MALFORMED` when one has no http or https URL, or when there are over `ASKED_WITNESSES_MAX`
 */
export function askableWitnesses({ witnesses }: WitnessPolicy): readonly AskableWitness[] {
  if (witnesses.length > ASKED_WITNESSES_MAX)
    throw malformed(
      `a log can ask ${ASKED_WITNESSES_MAX} witnesses, and it has ${witnesses.length}`,
    )
  return witnesses.map((witness) => {
    const { name, url } = witness
    if (url === undefined)
      throw malformed(`the witness ${JSON.stringify(name)} has no URL, so it cannot be asked`)
    const parsed = URL.parse(url)
    const isPlain = parsed?.username === '' && parsed.search === '' && parsed.hash === ''
    if (!isPlain || !/^https?:$/.test(parsed.protocol))
      throw malformed(
        `the URL of the witness ${JSON.stringify(name)} is not a plain http or https URL`,
      )
    return { ...witness, url }
  })
}

/** The quorum in words: `2 of (w1, any of (w2, w3), w4)`. A name counts once, so the text is no longer than the policy. */
export function describeQuorum(policy: WitnessPolicy): string {
  if (policy.quorum === QUORUM_NONE) return 'no cosignature'
  const groups = new Map(policy.groups.map((group) => [group.name, group]))
  const describe = (name: string): string => {
    const group = groups.get(name)
    if (group === undefined) return name
    const { threshold, members } = group
    const count = threshold === members.length ? 'all' : threshold === 1 ? 'any' : threshold
    return `${count} of (${members.map(describe).join(', ')})`
  }
  return describe(policy.quorum)
}

/** All keys of a policy, each once: what `openNote` must know. */
export function policyKeys(policy: WitnessPolicy): VerifierKey[] {
  const keys: VerifierKey[] = []
  for (const { key } of [...policy.logs, ...policy.witnesses]) {
    if (!keys.some((other) => sameKey(other, key))) keys.push(key)
  }
  return keys
}

/** Whether two keys are the same in all their parts. */
export function sameKey(a: VerifierKey, b: VerifierKey): boolean {
  return keyHandle(a) === keyHandle(b) && a.type === b.type && equalBytes(a.publicKey, b.publicKey)
}

class PolicyReader {
  readonly #sha256: Sha256
  readonly #logs: PolicyLog[] = []
  readonly #witnesses: PolicyWitness[] = []
  readonly #groups: PolicyGroup[] = []
  readonly #names = new Set<string>()
  readonly #grouped = new Set<string>()
  #quorum: string | undefined

  constructor(sha256: Sha256) {
    this.#sha256 = sha256
  }

  take(line: string): void {
    checkOctets(line)
    const words = line.split(/[ \t]+/).filter((word) => word !== '')
    const [keyword, ...rest] = words
    if (keyword === undefined || keyword.startsWith('#')) return
    if (keyword === 'log') this.#log(rest)
    else if (keyword === 'witness') this.#witness(rest)
    else if (keyword === 'group') this.#group(rest)
    else if (keyword === 'quorum') this.#setQuorum(rest)
    else
      throw malformed(
        `it starts with ${JSON.stringify(keyword)}, not with log, witness, group or quorum`,
      )
  }

  finish(): WitnessPolicy {
    if (this.#quorum === undefined) throw malformed('it has no quorum line')
    return {
      logs: this.#logs,
      witnesses: this.#witnesses,
      groups: this.#groups,
      quorum: this.#quorum,
    }
  }

  #log([vkey, url, ...more]: readonly string[]): void {
    if (vkey === undefined || more.length > 0) throw malformed('a log is: log <vkey> [<url>]')
    const key = this.#key(vkey, [SignatureType.ed25519, SignatureType.mlDsa44])
    checkNew(this.#logs, key, 'log')
    this.#logs.push({ key, ...(url === undefined ? {} : { url }) })
  }

  #witness([name, vkey, url, ...more]: readonly string[]): void {
    if (name === undefined || vkey === undefined || more.length > 0)
      throw malformed('a witness is: witness <name> <vkey> [<url>]')
    const key = this.#key(vkey, [SignatureType.cosignatureV1, SignatureType.mlDsa44])
    checkNew(this.#witnesses, key, 'witness')
    this.#define(name)
    this.#witnesses.push({ name, key, ...(url === undefined ? {} : { url }) })
  }

  #group([name, count, ...members]: readonly string[]): void {
    if (name === undefined || count === undefined || members.length === 0)
      throw malformed('a group is: group <name> all|any|<k> <name>...')
    if (this.#groups.length >= POLICY_LINES_MAX)
      throw malformed(`there are over ${POLICY_LINES_MAX} groups`)
    for (const member of members) {
      this.#checkDefined(member)
      if (this.#grouped.has(member))
        throw malformed(`${JSON.stringify(member)} is a member already; a name counts once`)
      this.#grouped.add(member)
    }
    this.#define(name)
    this.#groups.push({ name, threshold: thresholdOf(count, members.length), members })
  }

  #setQuorum([name, ...more]: readonly string[]): void {
    if (name === undefined || more.length > 0) throw malformed('a quorum is: quorum <name>')
    if (this.#quorum !== undefined) throw malformed('there is a second quorum line')
    if (name !== QUORUM_NONE) this.#checkDefined(name)
    this.#quorum = name
  }

  #key(vkey: string, types: readonly number[]): VerifierKey {
    const key = parseVkey(vkey, this.#sha256)
    if (!types.includes(key.type))
      throw malformed(`a key of type 0x0${key.type} cannot be used here`)
    return key
  }

  #define(name: string): void {
    if (name === QUORUM_NONE) throw malformed('the name "none" is taken')
    if (this.#names.has(name)) throw malformed(`${JSON.stringify(name)} is defined already`)
    this.#names.add(name)
  }

  #checkDefined(name: string): void {
    if (!this.#names.has(name))
      throw malformed(`${JSON.stringify(name)} is not defined on a line above`)
  }
}

/** Tab, and everything that is not a control character; newline has gone already. */
function checkOctets(line: string): void {
  if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(line))
    throw malformed('it holds a control character')
}

function checkNew(
  known: readonly { readonly key: VerifierKey }[],
  key: VerifierKey,
  what: string,
): void {
  if (known.length >= POLICY_LINES_MAX)
    throw malformed(`there are over ${POLICY_LINES_MAX} lines of this kind: ${what}`)
  if (known.some((other) => equalBytes(other.key.publicKey, key.publicKey)))
    throw malformed(`another ${what} has this public key`)
}

function thresholdOf(count: string, members: number): number {
  if (count === 'all') return members
  if (count === 'any') return 1
  const threshold = parseDecimal(count)
  if (threshold < 1n || threshold > BigInt(members))
    throw malformed(`a threshold is from 1 to the number of members, here ${members}`)
  return Number(threshold)
}

function malformed(why: string): TlogError {
  return new TlogError('POLICY_MALFORMED', `could not read the policy: ${why}`)
}
