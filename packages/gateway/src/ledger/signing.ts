/**
 * Turns what is durable into what is signed. All who wait at the same time share one signature. It holds the last signed
 * note; lost with the process, the signer still knows the size, and the next signature follows from there.
 */
import { formatCheckpoint } from '@countersign/tlog/checkpoint'
import type { SignerKey, VerifierKey } from '@countersign/tlog/key'
import { formatNote, signNote } from '@countersign/tlog/note'
import { consistencyProofAsync, inclusionProofAsync } from '@countersign/tlog/proof'
import type { AsyncNodeSource } from '@countersign/tlog/proof'
import { formatReceipt } from '@countersign/tlog/receipt'
import { toTreeSize } from '@countersign/tlog/size'
import { nodeFromTile, placeOfNode } from '@countersign/tlog/tile'
import { ed25519Sign, sha256 } from '../cryptography.ts'
import { LedgerError, messageOf } from './errors.ts'
import { SIGNER_CONFLICTS_MAX } from './limits.ts'
import { openSigned } from './log-keys.ts'
import type { Head } from './recovery.ts'
import type { Durable, Sequencer } from './sequencer.ts'
import type { SignerClient } from './signer-client.ts'
import type { TileStore } from './tile-store.ts'

export interface SigningOptions {
  readonly origin: string
  readonly sequencerKey: SignerKey
  /** Every new checkpoint must be signed by each of them. */
  readonly logKeys: readonly VerifierKey[]
  readonly signer: SignerClient
  readonly published: Head | undefined
}

export class Signing {
  readonly #options: SigningOptions
  readonly #sequencer: Sequencer
  readonly #source: AsyncNodeSource
  readonly #sign: ReturnType<typeof ed25519Sign>
  #signed: Head | undefined
  /** The size the signer is believed to have signed last; it corrects us. */
  #latest: number
  #underWay: Promise<void> | undefined

  constructor(sequencer: Sequencer, tiles: TileStore, options: SigningOptions) {
    this.#options = options
    this.#sequencer = sequencer
    this.#source = { sha256, readNode: nodeReader(sequencer, tiles) }
    this.#sign = ed25519Sign(options.sequencerKey.seed)
    this.#signed = options.published
    this.#latest = options.published?.size ?? 0
  }

  /** The last signed head. */
  get signed(): Head | undefined {
    return this.#signed
  }

  /**
   * Waits until a checkpoint of at least `size` records is signed, and asks for it at once.
   * @throws {LedgerError} `SIGNER_UNAVAILABLE`, `SIGNER_REFUSED`, `SIGNER_STATE`; `LEDGER_SPLIT` is fatal.
   */
  async upTo(size: number): Promise<Head> {
    for (;;) {
      const signed = this.#signed
      if (signed !== undefined && signed.size >= size) return signed
      this.#underWay ??= this.#signDurable().finally(() => {
        this.#underWay = undefined
      })
      await this.#underWay
    }
  }

  /** The receipt of one record under a head that was signed: the text of a `.tlog-proof`. */
  async receipt(index: number, { size, note }: Head): Promise<string> {
    const proof = await inclusionProofAsync(index, size, this.#source)
    return formatReceipt({ index: BigInt(index), proof, checkpoint: note })
  }

  /** What shows that the first `newSize` records begin with the first `oldSize`; nothing needs to be shown from 0 on. */
  async consistency(oldSize: number, newSize: number): Promise<Uint8Array[]> {
    if (oldSize === 0) return []
    return consistencyProofAsync(oldSize, newSize, this.#source)
  }

  async #signDurable(): Promise<void> {
    const durable = this.#sequencer.durable
    const text = formatCheckpoint({
      origin: this.#options.origin,
      size: BigInt(durable.size),
      root: durable.root,
    })
    const { sequencerKey } = this.#options
    const line = await signNote(text, {
      name: sequencerKey.name,
      id: sequencerKey.id,
      sign: this.#sign,
    })
    const checkpoint = formatNote(text, [line])
    for (let attempt = 0; attempt < SIGNER_CONFLICTS_MAX; attempt++) {
      const proof = await this.consistency(this.#latest, durable.size)
      const answer = await this.#options.signer.addCheckpoint({
        oldSize: BigInt(this.#latest),
        proof,
        checkpoint,
      })
      if ('lines' in answer) {
        // Signed, and a crash before the next step only means that the next start signs again from there.
        await this.#accept(durable, formatNote(text, answer.lines))
        return
      }
      this.#correct(toTreeSize(answer.latest))
    }
    throw new LedgerError(
      'SIGNER_REFUSED',
      'could not sign: the signer keeps changing its mind about the last size',
    )
  }

  async #accept({ size, root }: Durable, note: string): Promise<void> {
    await this.#checkSigned(note)
    this.#signed = { size, root, note }
    this.#latest = size
  }

  async #checkSigned(note: string): Promise<void> {
    const { logKeys: keys } = this.#options
    if (keys.length === 0) return
    const refused = (why: string, cause?: unknown): LedgerError =>
      new LedgerError('SIGNER_REFUSED', `could not sign: ${why}`, {
        cause,
        hint: 'log.vkey and the keys of the signer must be of the same log, and as many',
      })
    const opened = await openSigned(note, keys).catch((cause: unknown) => {
      throw refused(
        `what the signer answered is not signed by this log: ${messageOf(cause)}`,
        cause,
      )
    })
    const { length } = opened.verified
    if (length < keys.length)
      throw refused(`the signer signed with ${length} of the ${keys.length} keys of this log`)
  }

  /** The signer says which size it signed last. */
  #correct(latest: number): void {
    const { size } = this.#sequencer.durable
    if (latest > size) {
      throw new LedgerError(
        'LEDGER_SPLIT',
        `could not sign: ${latest} records were signed, and only ${size} are durable here`,
        {
          hint: 'this folder was restored from an older copy, lost its tail, or another ledger writes the same log: find the folder that holds them, or open a new origin that continues this one; never reset the signer',
        },
      )
    }
    if (latest < (this.#signed?.size ?? 0)) {
      throw new LedgerError(
        'SIGNER_STATE',
        `could not sign: the signer forgot what it signed (it says ${latest})`,
        {
          hint: 'the state of a signer is never restored from a copy; rotate its key by opening a new origin',
        },
      )
    }
    this.#latest = latest
  }
}

function nodeReader({ tree }: Sequencer, tiles: TileStore): AsyncNodeSource['readNode'] {
  return async (level, index) => {
    const held = tree.node(level, index)
    if (held !== undefined) return held
    // Not in memory, so its tile is full and published.
    const place = placeOfNode(level, index)
    const tile = await tiles.readTile({ level: place.level, index: place.index, width: 256 })
    return nodeFromTile(sha256, tile, place)
  }
}
