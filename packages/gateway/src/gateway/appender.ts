import type { Draft } from '@countersign/record/leaf'
import type { Receipt } from '@countersign/record/vocabulary'
import type { AppendRequest, Failure, Rooms } from '../journey.ts'
import { type AppendOptions, type Ledger, LedgerError } from '../ledger.ts'
import type { Sealing } from '../seal.ts'
import type { Pressure } from './pressure.ts'

/**
 * How every record is appended, whoever makes it: sealed first, and timed, since mode bounded keeps its promise by the oldest of all.
 * What cannot be sealed is not recorded in clear: the append is rejected.
 */
export function appender({ ledger, sealing, pressure }: AppenderParts): Rooms['append'] {
  return (draft: Draft, { level = 'D0', onLevel }: AppendRequest = {}) => {
    pressure.began()
    const appended = sealAndAppend(
      draft,
      { ledger, sealing },
      {
        level,
        onLevel: (receipt) => {
          if (receipt.level === 'D0') pressure.durable()
          onLevel?.(receipt)
        },
      },
    )
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

/** Nobody may wait, but the draft is on record, or is queued and will be written. */
export function isWaiting(cause: unknown): boolean {
  return cause instanceof LedgerError && cause.kept
}

async function sealAndAppend(
  draft: Draft,
  { ledger, sealing }: Pick<AppenderParts, 'ledger' | 'sealing'>,
  options: AppendOptions,
): Promise<Receipt> {
  return ledger.append(sealing === undefined ? draft : sealing.seal(draft), options)
}

const FAILURES: Partial<Readonly<Record<LedgerError['code'], Failure>>> = {
  SIGNER_UNAVAILABLE: 'signer_unavailable',
  SIGNER_REFUSED: 'signer_unavailable',
  SIGNER_STATE: 'signer_unavailable',
  WITNESS_QUORUM: 'witnesses_unavailable',
}

/** The one table of what the ledger's errors mean to a request. */
export function whyUnavailable(cause: unknown): Failure {
  const failure = cause instanceof LedgerError ? FAILURES[cause.code] : undefined
  return failure ?? 'ledger_unavailable'
}
