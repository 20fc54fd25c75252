/**
 * The read side of one machine: follows logs into the index, and answers whoever may ask. It builds the rooms of the read side, and the
 * rooms of the write side once more for itself, since reading the log is access like any other. Everything it holds can be made again
 * from the logs; while it is down, requests pass and are recorded as ever.
 */
import { join } from 'node:path'
import { openSalts } from '@countersign/record/salt'
import { type InboundListening, listenInbound } from './capture.ts'
import type { LoadedConfig } from './config.ts'
import { type Program, type WriteSide, openCanonicalLog, openLifetime, openWriteSide, readListener } from './gateway.ts'
import { createOperatorKey } from './identity.ts'
import { journey, recordMalformed } from './journey.ts'
import { layoutOf } from './ledger.ts'
import { type Clock, systemClock } from './platform.ts'
import { type Reading, compileReading } from './policy.ts'
import { type ApiSocket, openApiSocket } from './reader/api-socket.ts'
import { Desk } from './reader/desk.ts'
import { type FollowAlarm, LogFollower } from './reader/follow-log.ts'
import { openIndexOf } from './reader/index-place.ts'
import { Live } from './reader/live.ts'
import { type FollowedLog, openLogs } from './reader/logs.ts'
import { pause } from './reader/pause.ts'
import { portsOf } from './reader/ports.ts'
import { removeRunFile, writeRunFile } from './reader/run-file.ts'
import { openSavedQuestions } from './reader/saved-questions.ts'
import { apiRoutes, createApi } from './report.ts'
import type { Index } from './search.ts'

export { ReaderError } from './reader/errors.ts'
export { reindex } from './reader/reindex.ts'
export type { ReindexProgress } from './reader/reindex.ts'

/** A running reader. */
export interface Reader {
  /** Where the API listens. */
  readonly api: { readonly address: string; readonly port: number; readonly secure: boolean }
  /** Puts another version of the configuration in force: who may read, keys, and limits of requests. */
  reload(loaded: LoadedConfig): Promise<void>
  refused(sha256: string, cause: unknown): Promise<void>
  close(): Promise<void>
}
