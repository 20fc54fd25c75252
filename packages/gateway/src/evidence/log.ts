/** What this room needs of a published log and of what lies beside it: it reads, and writes nothing there. */
import type { AddendumKey } from '@countersign/verifier/bundle/addenda-keys'
import type { Tile } from '@countersign/tlog/tile'

/** A published log under one checkpoint, whose signature was verified. What is read from it may still be wrong. */
export interface EvidenceLog {
  readonly head: {
    readonly origin: string
    readonly size: number
    readonly root: Uint8Array
    /** The signed note, as published. */
    readonly note: string
  }
  /** The entries of one bundle. */
  bundle(index: number): Promise<readonly Uint8Array[]>
  /** The bytes of a tile or bundle of the tree under the checkpoint; nothing when it is missing. */
  tile(tile: Tile): Promise<Uint8Array | undefined>
  /** One entry with its inclusion proof. */
  proven(
    index: number,
  ): Promise<{ readonly entry: Uint8Array; readonly proof: readonly Uint8Array[] }>
}

/** An addendum at hand: the bytes that its record names by digest, and what opens them. */
export interface StoredAddendum {
  readonly content: Uint8Array
  readonly key: AddendumKey
}

/** Finds an addendum, or not: `ordinal` is its place in its record, from 0. */
export type EvidenceAddenda = (wanted: {
  readonly index: number
  readonly ordinal: number
  readonly digest: Uint8Array
}) => Promise<StoredAddendum | undefined>
