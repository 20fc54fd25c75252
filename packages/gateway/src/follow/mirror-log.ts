/** Keeps a mirror: one round after another, until it is told to stop or the log turns out to be two. */
import type { CopiedAddenda } from './copied-addenda.ts'
import { FollowError } from './errors.ts'
import { Mirror } from './mirror.ts'
import type { MirrorOptions, Round } from './mirror.ts'
import { pause } from './patience.ts'

export interface MirrorLogOptions extends MirrorOptions {
  /** Whether addenda that the log serves are copied too. */
  readonly addenda: boolean
  /** One round only; trouble of any kind is thrown. */
  readonly once: boolean
  readonly signal: AbortSignal
  /** After trouble; each further pause is twice as long, up to a minute. */
  readonly troublePauseMs?: number | undefined
  /** Told of each round that found the log changed, and of the first. */
  readonly onRound: (round: MirroredRound) => void
  /** Told of trouble that is tried again, and when. */
  readonly onTrouble: (error: FollowError, againInMs: number) => void
}

/** What one round brought. */
export interface MirroredRound extends Round {
  readonly addenda?: CopiedAddenda | undefined
}

const TROUBLE_PAUSE_MS = 1_000
const TROUBLE_PAUSE_MS_MAX = 60_000

/** What a later round may find mended. All else is for a person. */
const MENDABLE: ReadonlySet<string> = new Set(['FOLLOW_UNREADABLE', 'FOLLOW_BROKEN'])

/**
 * Copies a log into a folder and keeps the copy up to date. The copy is `log/` below the folder: a tlog-tiles prefix.
 * @throws {FollowError} `FOLLOW_FORKED`, `FOLLOW_SHRANK`, `FOLLOW_STORE`, `FOLLOW_IN_USE`; with `once` also
 * `FOLLOW_UNREADABLE` and `FOLLOW_BROKEN`. What `cosign` throws passes through.
 */
export async function mirrorLog(options: MirrorLogOptions): Promise<void> {
  const { log, signal, once } = options
  const mirror = await Mirror.open(options)
  try {
    let told = -1
    let failures = 0
    while (!signal.aborted) {
      const round = await oneRound(mirror, options, failures)
      failures = round === undefined ? failures + 1 : 0
      if (round === undefined) continue
      if (round.head.size > told) options.onRound(round)
      if (once) return
      told = round.head.size
      await log.source.changed(signal)
    }
  } finally {
    mirror.close()
  }
}

/** @returns nothing after trouble that may mend: the pause for it is over then. */
async function oneRound(
  mirror: Mirror,
  options: MirrorLogOptions,
  failures: number,
): Promise<MirroredRound | undefined> {
  const { signal, once, troublePauseMs = TROUBLE_PAUSE_MS } = options
  try {
    const round = await mirror.round(signal)
    return options.addenda ? { ...round, addenda: await mirror.addenda(signal) } : round
  } catch (error) {
    const isMendable = error instanceof FollowError && MENDABLE.has(error.code)
    if (!isMendable || once || signal.aborted) throw error
    const againInMs = Math.min(TROUBLE_PAUSE_MS_MAX, troublePauseMs * 2 ** failures)
    options.onTrouble(error, againInMs)
    await pause(1, { pauseMs: againInMs, pauseMsMax: againInMs }, signal)
    return undefined
  }
}
