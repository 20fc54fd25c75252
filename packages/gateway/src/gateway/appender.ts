import type { Draft } from '@countersign/record/leaf'
import type { Receipt } from '@countersign/record/vocabulary'
import type { Rooms } from '../journey.ts'
import { type Ledger, LedgerError } from '../ledger.ts'
import type { Sealing } from '../seal.ts'
import type { Pressure } from './pressure.ts'

/**
 * How every record is appended, whoever makes it: sealed first, and timed, since mode bounded keeps its promise by the oldest of all.
 * What cannot be sealed is not recorded in clear: the append is rejected.
 */
export function appender({ ledger, sealing, pressure }: AppenderParts): Rooms['append'] {
  return (draft: Draft, onDurable?: (receipt: Receipt) => void) => {
    pressure.began()
    const appended = sealAndAppend(draft, { ledger, sealing }, (receipt) => {
      pressure.durable()
      onDurable?.(receipt)
    })
    appended.catch((cause: unknown) => {
      if (!isWaiting(cause)) pressure.refused()
    })
    return appended
  }
}

export interface AppenderParts {
  readonly ledger: Ledger
  /** Absent where addenda are recorded in clear. */
  readonly sealing: Sealing | undefined
  readonly pressure: Pressure
}

/** Nobody may wait, but the draft is queued and will be written. */
export function isWaiting(cause: unknown): boolean {
  return cause instanceof LedgerError && cause.kept
}

async function sealAndAppend(
  draft: Draft,
  { ledger, sealing }: Pick<AppenderParts, 'ledger' | 'sealing'>,
  onDurable: (receipt: Receipt) => void,
): Promise<Receipt> {
  return ledger.append(sealing === undefined ? draft : sealing.seal(draft), { onDurable })
}
