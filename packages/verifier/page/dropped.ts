/** What was dropped: a bundle, or a proof and its record. */
import type { RandomAccess } from '../src/bundle/zip-reader.ts'

export type Dropped =
  | { readonly kind: 'bundle'; readonly name: string; readonly access: RandomAccess }
  | {
      readonly kind: 'proof'
      readonly name: string
      readonly proof: Uint8Array
      readonly entry: Uint8Array | undefined
    }

const PROOF_HEAD = 'c2sp.org/tlog-proof@'
/** A record is at most 65,535 bytes, and a proof a few thousand beside what its checkpoint takes. */
const SMALL_BYTES_MAX = 4 * 1024 ** 2

/** Tells by its first bytes which file is which. @returns a sentence when it is nothing that can be checked here */
export async function sortDropped(files: readonly File[]): Promise<Dropped | string> {
  const [first] = files
  if (first === undefined) return 'There is no file.'
  const proofs: File[] = []
  const others: File[] = []
  for (const file of files)
    ((await startOf(file)).startsWith(PROOF_HEAD) ? proofs : others).push(file)
  const [proof] = proofs
  if (proof === undefined)
    return files.length === 1
      ? { kind: 'bundle', name: first.name, access: accessTo(first) }
      : 'These are several files, and none of them is a proof. Drop one bundle, or a proof with its record.'
  if (proofs.length > 1 || others.length > 1) return 'One proof at a time, please, with its record.'
  if ([proof, ...others].some(({ size }) => size > SMALL_BYTES_MAX))
    return 'That is too large for a proof and a record.'
  const [entry] = others
  return {
    kind: 'proof',
    name: files.map(({ name }) => name).join(', '),
    proof: await bytesOf(proof),
    entry: entry === undefined ? undefined : await bytesOf(entry),
  }
}

function accessTo(file: File): RandomAccess {
  return { size: file.size, read: async (start, end) => bytesOf(file.slice(start, end)) }
}

async function bytesOf(blob: Blob): Promise<Uint8Array> {
  return new Uint8Array(await blob.arrayBuffer())
}

async function startOf(file: File): Promise<string> {
  return new TextDecoder('latin1').decode(await bytesOf(file.slice(0, PROOF_HEAD.length)))
}
