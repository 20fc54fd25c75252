import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import { test } from 'node:test'
import { setUp } from './running-up.ts'

test('up serves, takes new rules without a restart, keeps the old ones when the new are wrong, and ends in order', async () => {
  await using setup = await setUp()
  const upstream = createServer((_, response) => response.end('here\n')).listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const { port } = upstream.address() as AddressInfo
  await setup.change((text) => text.replace('127.0.0.1:9001', `127.0.0.1:${port}`))
  const { stdout: key } = setup.countersign('keys', 'create', '--name', 'alice', '--type', 'user')
  const headers = { 'x-api-key': key.trim() }
  const running = await setup.up()
  const url = `${running.listening['inbound']}/orders/17`

  assert.equal((await fetch(url, { headers })).status, 403)

  await setup.change((text) => text.replace('to: group:support', 'to: user:alice'))
  await running.saysOnStderr('the configuration is in force for the gateway')
  await running.saysOnStderr('the configuration is in force for the reader')
  assert.equal((await fetch(url, { headers })).status, 200)

  await setup.change((text) => text.replace('roles:', 'rolls:'))
  await running.saysOnStderr('the configuration before it stays in force for the gateway')
  await running.saysOnStderr('the configuration before it stays in force for the reader')
  assert.match(running.stderr(), /countersign: error: could not .*rolls/)
  assert.equal((await fetch(url, { headers })).status, 200)

  running.process.kill('SIGTERM')
  assert.equal(await running.exit, 0)
  upstream.close().closeAllConnections()

  // Every version is on record, the refused one too; and the last record is the ledger's farewell.
  await setup.change((text) => text.replace('rolls:', 'roles:'))
  const lines = setup.countersign('tail', '--once', '--from', '0').stdout.trimEnd().split('\n')
  // Gateway and reader each in a session of their own.
  const told = setup.countersign('tail', '--once', '--from', '0', '--json').stdout
  assert.deepEqual(
    [...configsBySession(told).values()],
    [
      ['in force', 'in force', 'refused'],
      ['in force', 'in force', 'refused'],
    ],
    lines.join('\n'),
  )
  assert.match(lines.at(-1) ?? '', /ledger +shutdown/)
  assert.equal(setup.countersign('verify').status, 0)
})

interface ConfigLine {
  readonly leaf: {
    readonly session: string
    readonly lifecycle?: { readonly kind: string; readonly accepted: boolean }
  }
}

function configsBySession(told: string): Map<string, string[]> {
  const configs = new Map<string, string[]>()
  for (const line of told.trimEnd().split('\n')) {
    const { session, lifecycle } = (JSON.parse(line) as ConfigLine).leaf
    if (lifecycle?.kind !== 'config') continue
    const before = configs.get(session) ?? []
    configs.set(session, [...before, lifecycle.accepted ? 'in force' : 'refused'])
  }
  return configs
}

test('a process that is killed is started again, and what it left is made good', async () => {
  await using setup = await setUp()
  await using running = await setup.up()
  for (const name of ['reader', 'gateway', 'ledger', 'signer']) {
    process.kill(running.pids[name] ?? 0, 'SIGKILL')
    await running.when((said) => said.kind === 'died' && said['name'] === name)
    await running.when(
      (said) => said.kind === 'ready' && said['name'] === name && said['restarts'] === 1,
    )
  }
  running.process.kill('SIGTERM')
  assert.equal(await running.exit, 0)
  const { status, stdout } = setup.countersign('verify')
  assert.equal(status, 0, stdout)
})

test('nobody is left behind when up itself is killed', async () => {
  await using setup = await setUp()
  await using running = await setup.up()
  const open = ['admin', 'log'].map((name) =>
    connect(Number(new URL(running.listening[name] ?? '').port), '127.0.0.1'),
  )
  await Promise.all(open.map((socket) => once(socket, 'connect')))
  running.process.kill('SIGKILL')
  // The kernel closes a connection when its process ends, or the process does when it stops listening.
  await Promise.all(open.map((socket) => once(socket.resume(), 'close')))
  await running.exit
})

test('an address that is taken ends up at once, and says what to do', async () => {
  await using setup = await setUp()
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  await setup.change((text) => text.replace('inbound: 127.0.0.1:0', `inbound: 127.0.0.1:${port}`))
  const { status, stderr } = setup.countersign('up')
  taken.close()
  assert.equal(status, 2)
  assert.match(stderr, new RegExp(`countersign: error: could not .*${port}`))
  assert.match(
    stderr,
    /countersign: error: could not start the gateway: it ended \(exit code 2\) before it was ready/,
  )
})

test('a second up on the same folder is refused', async () => {
  await using setup = await setUp()
  await using running = await setup.up()
  const { status, stderr } = setup.countersign('up')
  assert.equal(status, 2)
  assert.match(stderr, /countersign: error: could not open .*another process uses it/)
  assert.equal(running.process.exitCode, null)
})
