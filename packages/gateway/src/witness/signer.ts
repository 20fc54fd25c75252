/**
 * The signer: a process of its own that holds the log's key, and signs only what continues what it signed before. Its API is
 * that of a witness (c2sp.org/tlog-witness v1.0.0), so root on the gateway can ask, but cannot make it forget.
 */
import { join } from 'node:path'
import { parseVkey, SignatureType } from '@countersign/tlog/key'
import { sha256 } from '../cryptography.ts'
import type { Clock } from '../platform.ts'
import { Desk } from './desk.ts'
import { WitnessError } from './errors.ts'
import { endProcess } from './fatal.ts'
import { openFront } from './front.ts'
import type { Listening } from './front.ts'
import { readSigners } from './keys.ts'
import { SignerState } from './signer-state.ts'
import { lockState } from './state-lock.ts'

export type SignerOptions = SignerParts & Listening

interface SignerParts {
  /** The log's private keys (skey texts, one a line): type 0x01, and 0x06 to sign twice. Their name is the origin. */
  readonly key: string
  /** Made by `createSignerState`. */
  readonly stateDir: string
  /** The ledger's public key (vkey text): only what it signed is considered. */
  readonly sequencerVkey: string
  readonly origin: string
  /** Signatures of type 0x06 say when they were made. */
  readonly clock: Clock
  /** Called once with an error after which the process must end. By default it is printed and the process exits with 2. */
  readonly onFatal?: (error: WitnessError) => void
}

export interface RunningSigner {
  /** Where it listens: one of the two. */
  readonly socketPath: string | undefined
  readonly url: string | undefined
  /** The log's public keys (vkey texts), in the order of the private ones. */
  readonly vkeys: readonly string[]
  close(): Promise<void>
}

/**
 * Runs the signer of one log in this process.
 * @throws {WitnessError} `WITNESS_STATE`, `WITNESS_IN_USE`, `WITNESS_KEY`; {TlogError} for a key that is none.
 */
export async function runSigner(options: SignerOptions): Promise<RunningSigner> {
  const { origin, stateDir } = options
  const types = [SignatureType.ed25519, SignatureType.mlDsa44]
  const { name, vkeys, signers } = readSigners(options.key, types)
  if (name !== origin) {
    throw new WitnessError(
      'WITNESS_KEY',
      `could not run the signer: its key is for ${name}, not ${origin}`,
    )
  }
  const keys = [parseVkey(options.sequencerVkey, sha256)]
  const lock = lockState(join(stateDir, 'signer.lock'), 'signer')
  let opened: SignerState | undefined
  try {
    const state = SignerState.open(options)
    opened = state
    const desk = new Desk({
      known: (asked) => (asked === origin ? { ...state.signed, keys } : undefined),
      sign: async (text) => {
        const timestamp = options.clock.nowNs() / 1_000_000_000n
        return await Promise.all(signers.map(async (sign) => sign(text, timestamp)))
      },
      save: (accepted) => state.save(accepted),
      onFatal: options.onFatal ?? endProcess,
    })
    const front = await openFront({ desk, listening: options })
    let closing: Promise<void> | undefined
    const close = async (): Promise<void> => {
      await front.close()
      await desk.idle()
      state.close()
      lock.release()
    }
    return {
      socketPath: 'socketPath' in options ? options.socketPath : undefined,
      url: front.url,
      vkeys,
      close: async () => (closing ??= close()),
    }
  } catch (error) {
    opened?.close()
    lock.release()
    throw error
  }
}
