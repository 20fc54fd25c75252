import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import type { CommandError } from './errors.ts'
import { openSupervisor } from './supervisor.ts'
import type { Happening, Supervisor, SupervisorOptions } from './supervisor.ts'

interface Watched {
  readonly supervisor: Supervisor
  readonly happenings: Happening[]
  readonly children: Map<string, ChildProcess>
  /** Resolves when something that fits has happened, or has already. */
  readonly when: (fits: (happening: Happening) => boolean) => Promise<Happening>
  readonly gaveUp: Promise<CommandError>
}

/** `behaviour` says per name what its process does: the name itself, unless told otherwise. */
function watch(
  behaviour: Record<string, () => string>,
  options: Partial<SupervisorOptions> = {},
): Watched {
  const happenings: Happening[] = []
  const children = new Map<string, ChildProcess>()
  const waiting: {
    fits: (happening: Happening) => boolean
    resolve: (happening: Happening) => void
  }[] = []
  const gaveUp = Promise.withResolvers<CommandError>()
  const supervisor = openSupervisor({
    names: Object.keys(behaviour),
    start: (name) => {
      const child = fork(join(import.meta.dirname, 'testing/child.ts'), [
        behaviour[name]?.() ?? name,
      ])
      children.set(name, child)
      return child
    },
    onHappening: (happening) => {
      happenings.push(happening)
      for (const { fits, resolve } of waiting) if (fits(happening)) resolve(happening)
    },
    onGiveUp: gaveUp.resolve,
    backOffMs: { first: 1, max: 4 },
    ...options,
  })
  return {
    supervisor,
    happenings,
    children,
    gaveUp: gaveUp.promise,
    when(fits) {
      const past = happenings.find(fits)
      if (past !== undefined) return Promise.resolve(past)
      return new Promise((resolve) => waiting.push({ fits, resolve }))
    },
  }
}

test('processes start in order, each when the one before is ready, and stop in the opposite order', async () => {
  const { supervisor, happenings, children } = watch({
    first: () => 'first',
    second: () => 'second',
  })
  await supervisor.start()
  assert.deepEqual(
    happenings.map(({ name }) => name),
    ['first', 'second'],
  )
  assert.deepEqual(Object.keys(supervisor.listening), ['first', 'second'])
  const ended: string[] = []
  for (const [name, child] of children) child.on('exit', () => ended.push(name))
  await supervisor.stop()
  assert.deepEqual(ended, ['second', 'first'])
})

test('told to stop while it starts, it starts nothing more', async () => {
  const { supervisor, children, when } = watch({ first: () => 'first', second: () => 'second' })
  const stopped = when(({ kind }) => kind === 'ready').then(() => supervisor.stop())
  await supervisor.start()
  await stopped
  assert.deepEqual([...children.keys()], ['first'])
})

test('a process that dies is started again, and says so', async () => {
  const { supervisor, children, when } = watch({ one: () => 'one' })
  await supervisor.start()
  children.get('one')?.kill('SIGKILL')
  const died = await when(({ kind }) => kind === 'died')
  assert.ok(died.kind === 'died' && died.how === 'SIGKILL')
  const back = await when((happening) => happening.kind === 'ready' && happening.restarts === 1)
  assert.equal(back.name, 'one')
  await supervisor.stop()
})

test('a process that dies before it is ready at the first start stops the others', async () => {
  const { supervisor, children } = watch({ good: () => 'good', bad: () => 'broken' })
  await assert.rejects(supervisor.start(), {
    code: 'CANNOT_RUN',
    message: 'could not start the bad: it ended (exit code 3) before it was ready',
  })
  assert.equal(children.get('good')?.exitCode, 0)
})

test('a process that keeps dying before it is ready is given up', async () => {
  let starts = 0
  const { supervisor, children, gaveUp } = watch(
    { one: () => (starts++ === 0 ? 'one' : 'broken') },
    { deathsMax: 3 },
  )
  await supervisor.start()
  children.get('one')?.kill('SIGKILL')
  const error = await gaveUp
  assert.match(error.message, /could not keep the one running: it ended 3 times in a row/)
  assert.equal(starts, 4)
  await supervisor.stop()
})

test('a process that nothing needs stops nothing, and is started again for as long as it takes', async () => {
  let starts = 0
  const { supervisor, happenings, when } = watch(
    { needed: () => 'needed', extra: () => (starts++ < 4 ? 'broken' : 'extra') },
    { deathsMax: 2, optional: new Set(['extra']) },
  )
  await supervisor.start()
  assert.equal(happenings[0]?.name, 'needed')
  await when(({ kind, name }) => kind === 'ready' && name === 'extra')
  const pauses = happenings.flatMap((one) => (one.kind === 'died' ? [one.againInMs] : []))
  assert.deepEqual(pauses, [2, 48, 48, 48], 'more and more rarely')
  await supervisor.stop()
})

test('a process that nothing needs and that dies as soon as it is ready is not started ever faster', async () => {
  const { supervisor, happenings, children, when } = watch(
    { extra: () => 'extra' },
    { deathsMax: 2, optional: new Set(['extra']) },
  )
  await supervisor.start()
  for (let nth = 0; nth < 3; nth++) {
    await when((one) => one.kind === 'ready' && one.restarts === nth)
    children.get('extra')?.kill('SIGKILL')
  }
  await when((one) => one.kind === 'ready' && one.restarts === 3)
  const pauses = happenings.flatMap((one) => (one.kind === 'died' ? [one.againInMs] : []))
  assert.deepEqual(pauses, [2, 48, 48])
  await supervisor.stop()
})

test('a process that does not stop in time is killed', async () => {
  const { supervisor, children, happenings } = watch(
    { one: () => 'stubborn' },
    { stopTimeoutMs: 50 },
  )
  await supervisor.start()
  await supervisor.stop()
  assert.equal(children.get('one')?.signalCode, 'SIGKILL')
  assert.equal(happenings.at(-1)?.kind, 'killed')
})

test('an order reaches its process', async () => {
  const { supervisor, when } = watch({ one: () => 'one' })
  await supervisor.start()
  supervisor.send('one', { kind: 'reload' })
  const died = await when(({ kind }) => kind === 'died')
  assert.ok(died.kind === 'died' && died.how === 'exit code 7')
  await supervisor.stop()
})
