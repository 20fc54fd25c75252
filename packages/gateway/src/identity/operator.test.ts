import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import * as fc from 'fast-check'
import { createOperatorKey } from './operator.ts'
import { forgetSubject } from './subjects.ts'
import { givenRequest, openRoom } from './testing/given.ts'

const operator = { key: createOperatorKey(), name: 'root' }
const openWith = (known: typeof operator | undefined): ReturnType<typeof openRoom> =>
  openRoom({ identities: [] }, () => Promise.resolve(), known)

test('whoever brings the key of this boot is the operator, by name, as a key or as a bearer', async () => {
  await using room = await openWith(operator)
  for (const presented of [{ apiKey: operator.key }, { authorization: `Bearer ${operator.key}` }]) {
    const actor = await room.identity.identify(givenRequest(presented, room.clock))
    assert.equal(actor.type, 'user')
    assert.equal(actor.name, 'root')
    assert.equal(actor.credential.kind, 'operator_key')
    assert.match(actor.id, /^[0-9a-f]{32}$/)
  }
})

test('any other key is worth nothing, and so is the right one where no operator is let in', async () => {
  await using room = await openWith(operator)
  await using closed = await openWith(undefined)
  const identify = async (apiKey: string, into = room): Promise<readonly string[]> => {
    const actor = await into.identity.identify(givenRequest({ apiKey }, into.clock))
    assert.equal(actor.type, 'unknown')
    assert.equal(actor.credential.kind, 'operator_key')
    return actor.credential.defects
  }
  assert.deepEqual(await identify(createOperatorKey()), ['unknown_key'])
  assert.deepEqual(await identify(operator.key, closed), ['unknown_key'])
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary' }), async (text) => {
      const [defect] = await identify(`cso_${text}`)
      assert.ok(defect === 'malformed' || defect === 'unknown_key')
    }),
  )
  // An operator is nobody to the world outside.
  const caller = await room.identity.identify(
    givenRequest({ direction: 'egress', apiKey: operator.key }, room.clock),
  )
  assert.equal(caller.type, 'anonymous')
})

test('an operator who was forgotten comes back as somebody new', async () => {
  await using room = await openWith(operator)
  const ask = (): ReturnType<typeof room.identity.identify> =>
    room.identity.identify(givenRequest({ apiKey: operator.key }, room.clock))
  const before = await ask()
  await forgetSubject({ stateDir: `${room.folder}/state`, pseudonym: before.id })
  await nextTurn()
  const after = await ask()
  assert.notEqual(after.id, before.id)
  assert.equal(after.name, 'root')
})
