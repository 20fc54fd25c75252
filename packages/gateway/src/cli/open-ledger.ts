/** Opens the signer and the ledger as a process's work, from the configuration. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { formatVkey, parseSkey } from '@countersign/tlog/key'
import type { LoadedConfig } from '../config.ts'
import { runLedger } from '../ledger.ts'
import type { LedgerOptions } from '../ledger.ts'
import { ed25519PublicKey, sha256 } from '../cryptography.ts'
import { systemClock } from '../platform.ts'
import { runSigner } from '../witness.ts'
import { codeOf, CommandError, messageOf } from './errors.ts'
import { VKEY_FILE } from './log-place.ts'
import type { Opened } from './commands/processes.ts'
import { program } from './program.ts'
import { escapeText, say } from './terminal.ts'
import type { Io } from './terminal.ts'

type Alarm = Parameters<NonNullable<LedgerOptions['onAlarm']>>[0]

export async function openSigner(loaded: LoadedConfig): Promise<Opened> {
  const { config } = loaded
  const { signer } = config
  if ('url' in signer) {
    throw new CommandError(
      'CANNOT_RUN',
      `could not run the signer: the configuration says that it runs at ${signer.url}`,
      { hint: "there, run 'countersign signer --listen ADDRESS:PORT'" },
    )
  }
  const running = await runSigner({
    key: await readSecret(loaded.resolve(signer.key)),
    sequencerVkey: vkeyOf(await readSecret(loaded.resolve(config.sequencer.key))),
    stateDir: loaded.resolve(signer.state),
    origin: config.origin,
    clock: systemClock,
    socketPath: signerSocket(loaded, signer),
  })
  return { listening: {}, close: () => running.close() }
}

export async function openLedger(loaded: LoadedConfig, io: Io): Promise<Opened> {
  const { config } = loaded
  const running = await runLedger({
    dataDir: loaded.resolve(config.data),
    origin: config.origin,
    sequencerKey: await readSecret(loaded.resolve(config.sequencer.key)),
    ...(await signerOf(loaded)),
    logVkey: await readFile(join(loaded.baseDir, VKEY_FILE), 'utf8').catch(absent),
    clock: systemClock,
    program: program(),
    logAddress: config.listen.log?.address,
    segmentBytes: config.ledger.segmentBytes,
    batchBytesMax: config.ledger.batchBytesMax,
    checkpointIntervalMs: config.ledger.checkpointInterval,
    witnesses: await witnessesOf(loaded),
    onError: sayOnce(io),
    onAlarm: (alarm) => sayAlarm(io, alarm),
  })
  const { recovered, logAddress } = running
  if (recovered.tornBytes > 0) {
    say(
      io,
      `countersign: the ledger cut ${recovered.tornBytes} bytes of a last write that was never acknowledged`,
    )
  }
  return {
    listening: logAddress === undefined ? {} : { log: urlOf(logAddress) },
    close: () => running.close(),
  }
}

type LocalSigner = Extract<LoadedConfig['config']['signer'], { key: string }>

async function signerOf(
  loaded: LoadedConfig,
): Promise<{ signerSocket: string } | { signerUrl: { url: string; ca?: string } }> {
  const { signer } = loaded.config
  if (!('url' in signer)) return { signerSocket: signerSocket(loaded, signer) }
  const { url, ca } = signer
  if (ca === undefined) return { signerUrl: { url } }
  return { signerUrl: { url, ca: await readFile(loaded.resolve(ca), 'utf8') } }
}

/** Where ledger and signer meet on one host. */
function signerSocket(loaded: LoadedConfig, { socket, state }: LocalSigner): string {
  return loaded.resolve(socket ?? join(state, 'signer.sock'))
}

/** The log's keys lie beside the configuration unless somebody moved them: then signatures are checked by others only. */
function absent(error: unknown): undefined {
  if (codeOf(error) === 'ENOENT') return undefined
  throw error
}

async function witnessesOf(loaded: LoadedConfig): Promise<LedgerOptions['witnesses']> {
  const { witnesses } = loaded.config
  if (witnesses === undefined) return undefined
  const read = (path: string): Promise<string> => readText(loaded.resolve(path), 'file')
  return {
    policy: await read(witnesses.policy),
    timeoutMs: witnesses.timeout,
    graceMs: witnesses.grace,
    ...(witnesses.ca === undefined ? {} : { ca: await read(witnesses.ca) }),
  }
}

/** An alarm is on record already; a person at the terminal should not have to look for it there. */
function sayAlarm(io: Io, { what, raised, about, detail }: Alarm): void {
  if (what === 'witness_fork') {
    say(io, escapeText(`countersign: error: the witness ${about} says that THIS LOG HAS FORKED`))
    say(
      io,
      escapeText(
        `countersign: hint: keep this folder, and ask the witness what it cosigned (${detail})`,
      ),
    )
  } else if (raised)
    say(
      io,
      escapeText(`countersign: warning: the witnesses are out of reach (${about}): ${detail}`),
    )
  else say(io, escapeText(`countersign: the witnesses cosign again (${about})`))
}

/** Signing is tried again every second: the same trouble is said when it begins, not each time. */
function sayOnce(io: Io): (error: unknown) => void {
  let last = ''
  return (error) => {
    const message = messageOf(error)
    if (message !== last) say(io, `countersign: warning: ${message}; it is tried again`)
    last = message
  }
}

function urlOf({ address, port }: { address: string; port: number }): string {
  return `http://${address.includes(':') ? `[${address}]` : address}:${port}`
}

async function readSecret(path: string): Promise<string> {
  return (await readText(path, 'key')).trim()
}

async function readText(path: string, what: 'key' | 'file'): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new CommandError(
      'CANNOT_RUN',
      `could not read the ${what} ${path}: ${messageOf(cause)}`,
      { cause, hint: 'it must be there, and this user must be able to read it' },
    )
  }
}

/** The public half of a private key, as the signer wants it. */
function vkeyOf(skey: string): string {
  const { name, id, type, seed } = parseSkey(skey, sha256, ed25519PublicKey)
  return formatVkey({ name, id, type, publicKey: ed25519PublicKey(seed) })
}
