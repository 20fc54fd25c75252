/** A signer process for tests and benches: options as JSON on stdin; one line on stdout once it listens; SIGTERM closes it. */
import { text } from 'node:stream/consumers'
import { systemClock } from '../../platform.ts'
import { runSigner } from '../signer.ts'
import type { SignerOptions } from '../signer.ts'

const options = JSON.parse(await text(process.stdin)) as SignerOptions
const signer = await runSigner({ ...options, clock: systemClock })
process.once('SIGTERM', () => {
  void signer.close()
})
process.stdout.write('ready\n')
