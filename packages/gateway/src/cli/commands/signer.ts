/** `countersign signer`: from the configuration on one host, or with all that it needs said on the command line on another. */
import { readFile } from 'node:fs/promises'
import { parseSkey } from '@countersign/tlog/key'
import { sha256 } from '../../cryptography.ts'
import { systemClock } from '../../platform.ts'
import { createSignerState, runSigner } from '../../witness.ts'
import { readArguments, usageError } from '../arguments.ts'
import { CommandError, messageOf } from '../errors.ts'
import { readVkeyText } from '../log-place.ts'
import { onStopSignal } from '../signals.ts'
import { DONE, printJson, say } from '../terminal.ts'
import type { Command, Io } from '../terminal.ts'

const COMMAND = 'signer'

/** `countersign signer`. */
export const signer: Command = async (args, io) => {
  const isAlone = args.some((word) => /^--(listen|key|state|sequencer)(=|$)/.test(word))
  if (isAlone) return await runAlone(args, io)
  return await (await import('./processes.ts')).configuredSigner(args, io)
}

async function runAlone(args: readonly string[], io: Io): Promise<number> {
  const { values } = readArguments(args, {
    command: COMMAND,
    options: {
      listen: { type: 'string' },
      'tls-certificate': { type: 'string' },
      'tls-key': { type: 'string' },
      key: { type: 'string' },
      state: { type: 'string' },
      create: { type: 'boolean' },
      sequencer: { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  const { listen, key, state, sequencer } = values
  if (listen === undefined || key === undefined || state === undefined || sequencer === undefined)
    throw usageError(COMMAND, 'could not run: it needs --listen, --key, --state and --sequencer')
  const files = { certificate: values['tls-certificate'], key: values['tls-key'] }
  const tls = await readTls(listen, files)
  const keys = await read(key, 'the key')
  const origin = originOf(keys, key)
  process.title = 'countersign signer'
  const { promise: stopped, resolve: stop } = Promise.withResolvers<void>()
  const forget = onStopSignal(stop)
  try {
    if (values.create === true) await createSignerState({ stateDir: state, origin })
    const running = await runSigner({
      key: keys,
      stateDir: state,
      sequencerVkey: (await readVkeyText(sequencer)).trim(),
      origin,
      clock: systemClock,
      address: listen,
      tls,
    })
    const { url, vkeys } = running
    if (values.json === true) printJson(io, { kind: 'ready', origin, url, vkeys })
    else say(io, `countersign: the signer of ${origin} is ready: ${url}`)
    await stopped
    await running.close()
    return DONE
  } finally {
    forget()
  }
}

/** Requests and answers are signed, so nobody in between can change them; but who may read and delay them is the network's. */
async function readTls(
  listen: string,
  files: { certificate: string | undefined; key: string | undefined },
): Promise<{ certificate: string; key: string } | undefined> {
  if (!/^(\[[0-9a-fA-F:.]+\]|[^:\s]+):\d{1,5}$/.test(listen))
    throw usageError(COMMAND, `could not listen on '${listen}': it is ADDRESS:PORT`)
  const { certificate, key } = files
  if (certificate !== undefined && key !== undefined) {
    return {
      certificate: await read(certificate, 'the certificate'),
      key: await read(key, 'the key of the certificate'),
    }
  }
  if (certificate !== undefined || key !== undefined)
    throw usageError(COMMAND, 'could not run: --tls-certificate and --tls-key go together')
  if (/^(127\.[\d.]+|\[::1\]|localhost):/.test(listen)) return undefined
  throw usageError(
    COMMAND,
    `could not listen on ${listen}: it is not the loopback, and there is no certificate`,
    'give --tls-certificate and --tls-key',
  )
}

function originOf(keys: string, file: string): string {
  const [first = ''] = keys.trim().split('\n')
  try {
    return parseSkey(first, sha256).name
  } catch (cause) {
    throw new CommandError('CANNOT_RUN', `could not use ${file}: ${messageOf(cause)}`, { cause })
  }
}

async function read(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new CommandError('CANNOT_RUN', `could not read ${what} ${path}: ${messageOf(cause)}`, {
      cause,
      hint: 'it must be there, and this user must be able to read it',
    })
  }
}
