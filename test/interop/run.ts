/**
 * `npm run test:interop`: programs of others, unmodified, on a log that our own processes write. With `--skip-without-go` a
 * machine that cannot build them gets one sentence instead of an error.
 */
import { provide } from '../setup.ts'
import { installTools, whyNoGo } from './tools.ts'

const say = (line: string): void => void process.stdout.write(`${line}\n`)

const reason = await whyNoGo()
if (reason === undefined) {
  provide(
    [{ command: 'ssh-agent', debianPackage: 'openssh-client', usedFor: 'a witness key' }],
    say,
  )
  await installTools(say)
  await import('./fsck.interop.ts')
  await import('./receipts.interop.ts')
  await import('./litewitness.interop.ts')
  await import('./our-witness.interop.ts')
  await import('./quorum.interop.ts')
} else if (process.argv.includes('--skip-without-go')) {
  say(`interop: skipped, because ${reason}; the programs of others are built with it`)
} else {
  say(`interop: could not run the programs of others: ${reason}`)
  process.exitCode = 2
}
