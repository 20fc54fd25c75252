import { deepEqual, equal, rejects } from 'node:assert/strict'
import { test } from 'node:test'
import { emptyRoot } from '@countersign/tlog/hash'
import { sha256 } from '../cryptography.ts'
import { Desk } from './desk.ts'
import type { Accepted } from './desk.ts'
import { WitnessError } from './errors.ts'
import { readLogKeys } from './keys.ts'
import { makeOrigin } from './testing/setup.ts'

const ORIGIN = 'log.example.com/test'

test('nothing is answered once a save has failed: what is on disk is not known', async () => {
  const log = makeOrigin(ORIGIN)
  const keys = readLogKeys([log.vkeys]).get(ORIGIN) ?? []
  const [saved, fatal]: [Accepted[], WitnessError[]] = [[], []]
  const desk = new Desk({
    known: () => ({ size: 0n, root: emptyRoot(sha256), keys }),
    sign: async () => ['a line'],
    save(accepted) {
      saved.push(accepted)
      if (saved.length === 2) throw new WitnessError('WITNESS_IO', 'could not save')
    },
    onFatal: (error) => fatal.push(error),
  })
  const body = Buffer.from(await log.request(0, 5))
  deepEqual(await desk.addCheckpoint(body), { status: 200, body: 'a line\n' })
  // Two at once: the second waits for the first, and finds that the state is lost.
  const both = await Promise.allSettled([desk.addCheckpoint(body), desk.addCheckpoint(body)])
  deepEqual(
    both.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  await rejects(desk.addCheckpoint(body), { code: 'WITNESS_IO' })
  equal(saved.length, 2, 'it was not tried again')
  deepEqual(
    fatal.map(({ code }) => code),
    ['WITNESS_IO'],
  )
})
