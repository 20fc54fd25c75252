/**
 * `countersign demo`: everything for real, on one machine and without set-up. The gateway runs as `countersign up` runs it,
 * the clients are HTTP clients, what is shown is read back from the published log, and the verifier is a process of its own.
 */
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createApiKey } from '../../identity.ts'
import { demoConfig, openDemoServices, openIssuer, scenes } from '../../demo.ts'
import type { DemoCredentials, DemoServices, Issuer, Scene } from '../../demo.ts'
import { readArguments } from '../arguments.ts'
import { linkDemo } from '../demo-link.ts'
import { followScenes } from '../demo-record.ts'
import type { ShownScene } from '../demo-record.ts'
import { runUp, runVerifier } from '../demo-processes.ts'
import type { RunningUp } from '../demo-processes.ts'
import { initialise } from './init.ts'
import { onStopSignal } from '../signals.ts'
import { ANSWER_IS_NO, column, DONE, escapeText, paintFor, print } from '../terminal.ts'
import type { Command, Io } from '../terminal.ts'

const ORIGIN = 'demo.example/countersign'
const TOKEN_SECONDS = 600

/** What stands while the demo runs. */
interface Stage {
  readonly folder: string
  readonly services: DemoServices
  readonly issuer: Issuer
  readonly credentials: DemoCredentials
  readonly gateway: RunningUp
  /** Whether other commands of this user find the demo by themselves. */
  readonly isFound: boolean
}

/** `countersign demo`. */
export const demo: Command = async (args, io) => {
  const { values } = readArguments(args, {
    command: 'demo',
    options: { exit: { type: 'boolean' }, dir: { type: 'string' } },
  })
  const { promise: stopped, resolve: stop } = Promise.withResolvers<void>()
  const forget = onStopSignal(stop)
  const folder =
    values.dir === undefined ? await mkdtemp(join(tmpdir(), 'countersign-')) : resolve(values.dir)
  await mkdir(folder, { recursive: true })
  const closers: (() => Promise<void>)[] = []
  try {
    print(io, 'Countersign: starting two services, a token issuer, and a gateway around them')
    const stage = await openStage(folder, closers)
    print(io, '')
    await playAll(stage, io)
    const verified = await verifyLog(stage, io)
    if (values.exit !== true) {
      tellWhatToTry(stage, io)
      await Promise.race([stopped, stage.gateway.ended])
    }
    return verified ? DONE : ANSWER_IS_NO
  } finally {
    forget()
    for (const close of closers.toReversed()) await close()
  }
}

async function openStage(folder: string, closers: (() => Promise<void>)[]): Promise<Stage> {
  const services = await openDemoServices()
  closers.push(() => services.close())
  const issuer = await openIssuer(Date.now)
  closers.push(() => issuer.close())
  const { orders: ordersPort, billing: billingPort, payments: paymentsPort } = services
  const config = demoConfig(ORIGIN, { ordersPort, billingPort, paymentsPort, issuer: issuer.url })
  await initialise({ folder, origin: ORIGIN, config })
  const credentials = await makeCredentials(folder, issuer)
  const gateway = await runUp(join(folder, 'countersign.yaml'), join(folder, 'gateway.log'))
  closers.push(() => gateway.close())
  const link = await linkDemo(folder)
  closers.push(() => link.remove())
  return { folder, services, issuer, credentials, gateway, isFound: link.isLinked }
}

async function makeCredentials(folder: string, issuer: Issuer): Promise<DemoCredentials> {
  const keys = join(folder, 'secrets', 'api-keys.yaml')
  const egress = join(folder, 'secrets', 'egress-orders.yaml')
  const bob = await createApiKey(keys, { name: 'bob', type: 'user', groups: ['support'] })
  const orders = await createApiKey(keys, { name: 'orders', type: 'service', groups: [] })
  const ordersEgress = await createApiKey(egress, { name: 'orders', type: 'service', groups: [] })
  // What curl takes from a file is in no list of processes and in no history.
  const mode = 0o600
  await writeFile(join(folder, 'bob'), `x-api-key: ${bob.key}\n`, { mode })
  await writeFile(join(folder, 'orders'), `proxy-user = "orders:${ordersEgress.key}"\n`, { mode })
  const alice = { name: 'alice', groups: ['support'] }
  return {
    aliceToken: await issuer.token({ ...alice, expires: TOKEN_SECONDS }),
    expiredToken: await issuer.token({ ...alice, expires: -TOKEN_SECONDS }),
    ordersKey: orders.key,
    ordersEgress: ordersEgress.key,
  }
}

async function playAll({ folder, services, credentials, gateway }: Stage, io: Io): Promise<void> {
  const { inbound, egress } = gateway.listening
  if (inbound === undefined || egress === undefined)
    throw new Error('could not play: the gateway listens nowhere')
  const all = scenes({ inbound, egress }, credentials, { paymentsPort: services.payments })
  const records = await followScenes(join(folder, 'countersign-data'))
  try {
    for (const scene of all) {
      const { record } = await scene.play()
      if (record === undefined)
        throw new Error(`could not play '${scene.what}': the answer names no record`)
      tellScene(scene, await records.find(record), io)
    }
  } finally {
    await records.close()
  }
}

/** Two lines: who, what, what was decided and where it is on record; and by which rule. */
function tellScene(scene: Scene, { allowed, why, rule, index, egress }: ShownScene, io: Io): void {
  const paint = paintFor(io.stdout)
  const word = allowed ? paint.green('allowed') : paint.red(egress ? 'blocked' : 'denied ')
  const place = `leaf ${String(index).padStart(3)}  D1 signed`
  print(io, `  ${word}  ${column(scene.who, 8)} ${column(scene.what, 37)} ${place}`)
  print(io, paint.dim(`           ${escapeText(`${why} (${rule})`)}`))
}

async function verifyLog({ folder }: Stage, io: Io): Promise<boolean> {
  print(io, '')
  print(io, 'Now the verifier, as a process of its own that trusts nothing but log.vkey:')
  print(io, '')
  const { code, output } = await runVerifier(
    join(folder, 'countersign-data', 'log'),
    join(folder, 'log.vkey'),
  )
  for (const line of output.trimEnd().split('\n')) print(io, `  ${line}`)
  print(io, '')
  print(io, `log: ${join(folder, 'countersign-data', 'log')}`)
  return code === 0
}

function tellWhatToTry({ folder, services, gateway, isFound }: Stage, io: Io): void {
  const { inbound = '', egress = '', api } = gateway.listening
  const config = `-c ${folder}/countersign.yaml`
  const search = `npx countersign search${isFound ? '' : ` ${config}`}`
  const top = `npx countersign top${isFound ? '' : ` ${config}`}`
  print(
    io,
    `
Three things to try while it is up, from another terminal here:

  curl -H @${folder}/bob ${inbound}/orders/17
  curl -K ${folder}/orders -x ${egress} localhost:${services.payments}
  npx countersign show 3 ${config}

${api === undefined ? 'Its reader is not up yet: the log can be asked in a moment.' : `Three questions to ask the log, whose API is ${api}`}

  ${search} 'outcome:denied since:1h'
  ${top} service,outcome
  ${search} 'class:read' --json

Ctrl-C ends it; the folder stays, and 'npx countersign verify' of the log above
finds any byte of it that you change.`,
  )
}
