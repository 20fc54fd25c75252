/** The reader's loop over one log, for `lag.ts`: node lag-reader.ts <log> <index> <vkey>. */
import { parseVkey } from '@countersign/tlog/key'
import { publishedAddenda } from '../../packages/gateway/src/contents.ts'
import { sha256 } from '../../packages/gateway/src/cryptography.ts'
import { openLogSource } from '../../packages/gateway/src/follow.ts'
import { systemClock } from '../../packages/gateway/src/platform.ts'
import { LogFollower } from '../../packages/gateway/src/reader/follow-log.ts'
import { pause } from '../../packages/gateway/src/reader/pause.ts'
import type { Written } from './lag.ts'
import { openBenchIndex } from './load.ts'

const [logFolder = '', indexFolder = '', vkey = ''] = process.argv.slice(2)
const source = await openLogSource(logFolder)
const key = parseVkey(vkey, sha256)
const log = {
  source,
  keys: [key],
  origin: key.name,
  addenda: publishedAddenda(source),
  isOwn: false,
  close: () => source.close(),
}
const follower = new LogFollower({
  log,
  index: (await openBenchIndex(indexFolder)).index,
  dropAfterOf: () => undefined,
  onIndexed: () => setImmediate(tell),
  alarm(alarm) {
    throw new Error(`could not follow: ${alarm.detail}`)
  },
  clock: systemClock,
  signal: new AbortController().signal,
  pause,
})

function tell(): void {
  const said: Written = { written: follower.progress().next, atMs: Date.now() }
  process.send?.(said)
}

await follower.run()
