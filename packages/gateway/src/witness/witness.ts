/**
 * A witness for logs of others (c2sp.org/tlog-witness v1.0.0): it cosigns a checkpoint only when it continues what it cosigned
 * before, serves the last one of each log to monitors, and keeps both sides of every fork that it is shown.
 */
import { SignatureType } from '@countersign/tlog/key'
import { formatNote, parseNote } from '@countersign/tlog/note'
import { sha256Hex } from '../cryptography.ts'
import type { Clock } from '../platform.ts'
import { Desk } from './desk.ts'
import type { Answer } from './desk.ts'
import { messageOf, WitnessError } from './errors.ts'
import { evidenceFolder, EvidenceStore, numbersIn, readEvidence, readPiece } from './evidence.ts'
import type { Fork } from './evidence.ts'
import { endProcess } from './fatal.ts'
import { openFront } from './front.ts'
import type { Listening, Page } from './front.ts'
import { readLogKeys, readSigners } from './keys.ts'
import { lockState } from './state-lock.ts'
import { createWitnessState, WitnessState } from './witness-state.ts'

export interface WitnessOptions {
  /** The private keys (skey texts, one a line): type 0x04, 0x06 or both, of one name. */
  readonly keys: string
  /** The state file. Made by `create`; evidence lies beside it. */
  readonly statePath: string
  /** Makes a new state: only for keys that have never cosigned. */
  readonly create?: boolean
  /** The public keys of the logs (vkey texts, one a line): each cosigned under its own origin. */
  readonly logs: readonly string[]
  /** Where others may ask. When absent nobody can but this process: a mirror's cosigner signs only what was copied. */
  readonly listening?: Listening | undefined
  readonly clock: Clock
  readonly onEvent?: (event: WitnessEvent) => void
  /** Called once with an error after which the process must end. By default it is printed and the process exits with 2. */
  readonly onFatal?: (error: WitnessError) => void
}

/** What a witness has to say while it runs. */
export type WitnessEvent =
  | { readonly kind: 'cosigned'; readonly origin: string; readonly size: bigint }
  | {
      readonly kind: 'fork'
      readonly fork: Fork
      /** The number under which it was kept, or why it was not. */
      readonly kept: number | 'known' | 'full' | { readonly failed: string }
    }

export interface RunningWitness {
  readonly name: string
  /** Its public keys (vkey texts), in the order of the private ones. */
  readonly vkeys: readonly string[]
  /** Submission and monitoring prefix; nothing on a unix socket, or when it does not listen. */
  readonly url: string | undefined
  /** The last cosigned checkpoint of a log, as a signed note. */
  checkpoint(origin: string): string | undefined
  /** As a request over HTTP. Rejects only once the state is lost. */
  addCheckpoint(body: Uint8Array): Promise<Answer>
  close(): Promise<void>
}

/**
 * Runs a witness in this process.
 * @throws {WitnessError} `WITNESS_KEY`, `WITNESS_STATE`, `WITNESS_IN_USE`, `WITNESS_LIMIT`, `WITNESS_IO`
 */
export async function runWitness(options: WitnessOptions): Promise<RunningWitness> {
  const { statePath } = options
  const { name, vkeys, signers } = readSigners(options.keys, [
    SignatureType.cosignatureV1,
    SignatureType.mlDsa44,
  ])
  const logs = readLogKeys(options.logs)
  const lock = lockState(`${statePath}.lock`, 'witness')
  let opened: WitnessState | undefined
  try {
    if (options.create === true) await createWitnessState(statePath, name)
    const state = await WitnessState.open(statePath, { name, origins: logs.keys() })
    opened = state
    const evidence = await EvidenceStore.open(evidenceFolder(statePath))
    const desk = new Desk({
      known: (origin) => {
        const [keys, cosigned] = [logs.get(origin), state.cosigned(origin)]
        return keys === undefined || cosigned === undefined ? undefined : { ...cosigned, keys }
      },
      sign: async (text) => {
        const timestamp = options.clock.nowNs() / 1_000_000_000n
        return await Promise.all(signers.map(async (sign) => sign(text, timestamp)))
      },
      save({ origin, size, checkpoint, lines }) {
        const { text, signatures } = parseNote(checkpoint)
        state.save(formatNote(text, [...signatures.map(({ line }) => line), ...lines]))
        options.onEvent?.({ kind: 'cosigned', origin, size })
      },
      async onFork(fork) {
        const kept = await keep(evidence, fork, options.clock)
        options.onEvent?.({ kind: 'fork', fork, kept })
      },
      onFatal: options.onFatal ?? endProcess,
    })
    const page = pages(state, evidenceFolder(statePath))
    const { listening } = options
    const front = listening === undefined ? undefined : await openFront({ desk, listening, page })
    let closing: Promise<void> | undefined
    const close = async (): Promise<void> => {
      await front?.close()
      await desk.idle()
      state.close()
      lock.release()
    }
    return {
      name,
      vkeys,
      url: front?.url,
      checkpoint: (origin) => state.cosigned(origin)?.checkpoint,
      addCheckpoint: async (body) => desk.addCheckpoint(body),
      close: async () => (closing ??= close()),
    }
  } catch (error) {
    opened?.close()
    lock.release()
    throw error
  }
}

/** What monitors may read: the last checkpoint of each log, and all evidence. */
function pages(state: WitnessState, evidence: string): (path: string) => Promise<Page | undefined> {
  const origins = new Map(
    state.origins.map(({ origin }) => [`/${sha256Hex(origin)}/checkpoint`, origin]),
  )
  const type = 'text/plain; charset=utf-8'
  return async (path) => {
    const origin = origins.get(path)
    const body = origin === undefined ? undefined : state.cosigned(origin)?.checkpoint
    if (body !== undefined) return { type, body }
    if (path === '/evidence') return evidenceList(evidence)
    const [, number, side] = /^\/evidence\/(\d{1,6})\/(held|seen)$/.exec(path) ?? []
    if (!(await numbersIn(evidence)).includes(Number(number))) return undefined
    const piece = await readPiece(evidence, Number(number))
    const note = side === 'held' ? piece.held : piece.seen
    return note === undefined ? undefined : { type, body: note }
  }
}

async function evidenceList(folder: string): Promise<Page> {
  let body = ''
  for await (const { number, kind, origin, seenAt, held } of readEvidence(folder)) {
    const places = {
      held: held === undefined ? null : `evidence/${number}/held`,
      seen: `evidence/${number}/seen`,
    }
    body += `${JSON.stringify({ number, kind, origin, seenAt, ...places })}\n`
  }
  return { type: 'application/jsonl; charset=utf-8', body }
}

/** A fork that cannot be kept is told all the same: the event holds both notes. */
async function keep(
  evidence: EvidenceStore,
  fork: Fork,
  clock: Clock,
): Promise<number | 'known' | 'full' | { failed: string }> {
  try {
    return await evidence.keep(fork, new Date(Number(clock.nowNs() / 1_000_000n)))
  } catch (error) {
    if (!(error instanceof WitnessError)) throw error
    return { failed: `${error.message}: ${messageOf(error.cause)}` }
  }
}
