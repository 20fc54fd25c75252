/** A thread that seals one draft, hands it over, and is ended without closing anything. */
import { parentPort, workerData } from 'node:worker_threads'
import { openSealing, readTenantKey } from '../../seal.ts'
import { ALICE, draftOf } from './given.ts'

const { stateDir, keyFile } = workerData as { stateDir: string; keyFile: string }
const sealing = await openSealing({ stateDir, tenantKey: await readTenantKey(keyFile) })
parentPort?.postMessage(sealing.seal(draftOf(ALICE, new TextEncoder().encode('last words'))))
