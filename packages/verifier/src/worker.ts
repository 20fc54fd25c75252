/** One thread of a verification: it is sent ranges of a log in a directory, and answers with what it found in each. */
import { parentPort, workerData } from 'node:worker_threads'

import { directorySource, nodeCrypto } from './node-io.ts'
import { verifyRange } from './range.ts'
import type { BundleRange } from './range.ts'

const source = directorySource(String(workerData))

parentPort?.on('message', (range: BundleRange) => {
  // A rejection is not caught: it ends this thread, which the pool reports.
  void answer(range)
})

async function answer(range: BundleRange): Promise<void> {
  const result = await verifyRange(range, { source, sha256Into: nodeCrypto.sha256Into })
  parentPort?.postMessage(result)
}
