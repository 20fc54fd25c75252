/** Serves sealed addenda by their digests: ciphertexts alone. What was stored in clear is never served, nor any envelope. */
import { decodeHex } from '@countersign/tlog/base64'
import { addendumPath } from '@countersign/tlog/addenda'
import { AddendaIndex } from './addenda-index.ts'
import { isNamed, readAddenda } from './packs.ts'

/** What there is at an address: the ciphertext, nothing, or nothing yet because the index is being made. */
export type Served =
  | { readonly state: 'here'; readonly content: Uint8Array }
  | { readonly state: 'none' }
  | { readonly state: 'later' }

/** How long a request waits for the index. */
const INDEX_WITHIN_MS = 2_000

export class ServedAddenda {
  readonly #dataDir: string
  readonly #index: AddendaIndex

  constructor(dataDir: string) {
    this.#dataDir = dataDir
    this.#index = new AddendaIndex(dataDir)
  }

  async read(digest: Uint8Array): Promise<Served> {
    const found = await this.#lookUp(digest)
    if (found !== undefined) return { state: 'here', content: found }
    const { promise: tooLate, resolve } = Promise.withResolvers<'late'>()
    const timer = setTimeout(resolve, INDEX_WITHIN_MS, 'late')
    const caughtUp = await Promise.race([this.#index.catchUp(), tooLate])
    clearTimeout(timer)
    if (caughtUp === true) return { state: 'none' }
    if (caughtUp === 'late') return { state: 'later' }
    const again = await this.#lookUp(digest)
    return again === undefined ? { state: 'none' } : { state: 'here', content: again }
  }

  close(): void {
    this.#index.close()
  }

  async #lookUp(digest: Uint8Array): Promise<Uint8Array | undefined> {
    for (const { leafIndex, ordinal } of this.#index.find(digest)) {
      const addendum = (await readAddenda(this.#dataDir, leafIndex))[ordinal]
      if (addendum?.envelope !== undefined && isNamed(digest, addendum)) return addendum.content
    }
    return undefined
  }
}

/** Attacker-controlled: the digest in a path, when it is the one spelling of an addendum's address. */
export function digestIn(path: string): Uint8Array | undefined {
  const digest = /^addenda\/[0-9a-f]{2}\/[0-9a-f]{2}\/([0-9a-f]{64})$/.exec(path)?.[1]
  return digest === undefined || addendumPath(digest) !== path ? undefined : decodeHex(digest)
}
