import { TlogError } from './errors.ts'

declare const leafIndexBrand: unique symbol
declare const treeSizeBrand: unique symbol

/** Place of a leaf, from 0. A number, for the hot path: at most 2^53-1. */
export type LeafIndex = number & { readonly [leafIndexBrand]: true }

/** Count of leaves, one more than the last index. A number, for the hot path: at most 2^53-1. */
export type TreeSize = number & { readonly [treeSizeBrand]: true }

/** Sizes on the wire are uint64; this is the largest. */
export const UINT64_MAX: bigint = 0xffff_ffff_ffff_ffffn

/** @throws {TlogError} `SIZE_UNSAFE` unless `n` is an integer from 0 to 2^53-1. */
export function leafIndex(n: number): LeafIndex {
  if (!isLeafIndex(n)) throw unsafe(n, 'a leaf index')
  return n
}

/** @throws {TlogError} `SIZE_UNSAFE` unless `n` is an integer from 0 to 2^53-1. */
export function treeSize(n: number): TreeSize {
  if (!isTreeSize(n)) throw unsafe(n, 'a tree size')
  return n
}

/**
 * Brings a size read from the wire to the hot path.
 * @throws {TlogError} `SIZE_UNSAFE` over 2^53-1.
 */
export function toTreeSize(n: bigint): TreeSize {
  return treeSize(Number(n))
}

/**
 * Reads an unsigned decimal as the formats spell it: digits only, no leading zero, at most 2^64-1.
 * @throws {TlogError} `DECIMAL_MALFORMED`
 */
export function parseDecimal(text: string): bigint {
  // Attacker-controlled: BigInt() itself would take '', ' 1', '0x10' and a megabyte of digits.
  if (!/^(?:0|[1-9][0-9]{0,19})$/.test(text)) throw notDecimal('digits only, without leading zeros')
  const value = BigInt(text)
  if (value > UINT64_MAX) throw notDecimal('at most 18446744073709551615')
  return value
}

/** @throws {TlogError} `SIZE_UNSAFE` unless `n` fits the uint64 of the wire formats. */
export function checkUint64(n: bigint, what: string): void {
  if (n < 0n || n > UINT64_MAX)
    throw new TlogError('SIZE_UNSAFE', `could not use ${what} ${n}: it must be from 0 to 2^64-1`)
}

function isLeafIndex(n: number): n is LeafIndex {
  return Number.isSafeInteger(n) && n >= 0
}

function isTreeSize(n: number): n is TreeSize {
  return Number.isSafeInteger(n) && n >= 0
}

function unsafe(n: number, what: string): TlogError {
  return new TlogError(
    'SIZE_UNSAFE',
    `could not use ${what} of ${n}: it must be an integer from 0 to 2^53-1`,
  )
}

function notDecimal(rule: string): TlogError {
  return new TlogError('DECIMAL_MALFORMED', `could not read a decimal: ${rule}`)
}
