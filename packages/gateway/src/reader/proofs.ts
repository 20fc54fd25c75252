/** What the API serves of a log as it is published: proofs of records, and the files themselves. */
import { formatReceipt } from '@countersign/tlog/receipt'
import { FollowError, readHead, readProven } from '../follow.ts'
import type { PublishedLog } from '../follow.ts'

/** The proof of one record (C2SP tlog-proof) and the bytes that it proves. */
export interface ProvenEntry {
  readonly proof: string
  readonly entry: Uint8Array
}

/** @returns undefined while no checkpoint covers it. @throws {FollowError} */
export async function proveRecord(
  log: PublishedLog,
  index: number,
): Promise<ProvenEntry | undefined> {
  try {
    const head = await readHead(log)
    const { entry, proof } = await readProven(log, head, index)
    return { proof: formatReceipt({ index: BigInt(index), proof, checkpoint: head.note }), entry }
  } catch (error) {
    if (error instanceof FollowError && error.code === 'FOLLOW_RANGE') return undefined
    throw error
  }
}
