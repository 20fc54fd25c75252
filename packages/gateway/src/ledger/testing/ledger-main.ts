/** A ledger process for tests and benches: options as JSON on stdin; one line on stdout once it listens; SIGTERM closes it. */
import { text } from 'node:stream/consumers'
import { systemClock } from '../../platform.ts'
import { runLedger } from '../process.ts'
import type { LedgerOptions } from '../process.ts'

const options = JSON.parse(await text(process.stdin)) as Omit<LedgerOptions, 'clock'>
const ledger = await runLedger({ ...options, clock: systemClock })
process.once('SIGTERM', () => {
  void ledger.close()
})
process.stdout.write('ready\n')
