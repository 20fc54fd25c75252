/** Waits until everything that is on record now can be read in the published log: `node published.ts <data folder>`. */
import { connectLedger, layoutOf } from '../packages/gateway/src/ledger.ts'
import { systemClock } from '../packages/gateway/src/platform.ts'

const [dataDir = '.'] = process.argv.slice(2)
const ledger = await connectLedger({ socketPath: layoutOf(dataDir).socket, clock: systemClock })
await ledger.publish()
await ledger.close()
