/**
 * The signer: a process of its own that holds the log's key, and signs only what continues what it signed before. Its API is
 * that of a witness (c2sp.org/tlog-witness v1.0.0), so root on the gateway can ask, but cannot make it forget.
 */
import { join } from 'node:path'
import { parseSkey, parseVkey } from '@countersign/tlog/key'
import { signNote } from '@countersign/tlog/note'
import { ed25519PublicKey, ed25519Sign, sha256, takeLock } from '../platform.ts'
import { Desk } from './desk.ts'
import { WitnessError } from './errors.ts'
import { endProcess } from './fatal.ts'
import { openFront } from './front.ts'
import { SignerState } from './signer-state.ts'

export interface SignerOptions {
  /** The log's private key (skey text, type 0x01); its name is the origin. */
  readonly key: string
  /** Made by `createSignerState`. */
  readonly stateDir: string
  /** The ledger's public key (vkey text): only what it signed is considered. */
  readonly sequencerVkey: string
  readonly origin: string
  /** The unix socket to listen on. */
  readonly socketPath: string
  /** Called once with an error after which the process must end. By default it is printed and the process exits with 2. */
  readonly onFatal?: (error: WitnessError) => void
}

export interface RunningSigner {
  readonly socketPath: string
  close(): Promise<void>
}

/**
 * Runs the signer of one log in this process.
 * @throws {WitnessError} `WITNESS_STATE`, `WITNESS_IN_USE`, `WITNESS_KEY`; {TlogError} for a key that is none.
 */
export async function runSigner(options: SignerOptions): Promise<RunningSigner> {
  const { origin, stateDir, socketPath } = options
  const key = parseSkey(options.key, sha256, ed25519PublicKey)
  if (key.name !== origin) {
    throw new WitnessError(
      'WITNESS_KEY',
      `could not run the signer: its key is for ${key.name}, not ${origin}`,
    )
  }
  const keys = [parseVkey(options.sequencerVkey, sha256)]
  const lockPath = join(stateDir, 'signer.lock')
  const lock = takeLock(lockPath) ?? inUse(lockPath)
  try {
    const state = SignerState.open(options)
    const sign = ed25519Sign(key.seed)
    const desk = new Desk({
      known: (asked) => (asked === origin ? { ...state.signed, keys } : undefined),
      sign: async (text) => [await signNote(text, { name: key.name, id: key.id, sign })],
      save: (accepted) => state.save(accepted),
      onFatal: options.onFatal ?? endProcess,
    })
    const front = await openFront(desk, socketPath)
    let closing: Promise<void> | undefined
    const close = async (): Promise<void> => {
      await front.close()
      await desk.idle()
      state.close()
      lock.release()
    }
    return { socketPath, close: async () => (closing ??= close()) }
  } catch (error) {
    lock.release()
    throw error
  }
}

function inUse(path: string): never {
  throw new WitnessError(
    'WITNESS_IN_USE',
    `could not open the signer: another process uses it (${path})`,
    { hint: 'stop the other process; one log has one signer' },
  )
}
