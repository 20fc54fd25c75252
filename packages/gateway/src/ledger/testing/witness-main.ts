/** A witness process for benches: options as JSON on stdin; one line on stdout once it listens; SIGTERM closes it. */
import { text } from 'node:stream/consumers'
import { systemClock } from '../../platform.ts'
import { runWitness } from '../../witness.ts'
import type { WitnessOptions } from '../../witness.ts'

const options = JSON.parse(await text(process.stdin)) as Omit<WitnessOptions, 'clock'>
const witness = await runWitness({ ...options, clock: systemClock })
process.once('SIGTERM', () => {
  void witness.close()
})
process.stdout.write('ready\n')
