import { randomBytes } from 'node:crypto'
import { access, mkdir } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { SignatureType } from '@countersign/tlog/key'
import { jsonSchema } from '../../config.ts'
import { createLog } from '../../ledger.ts'
import type { Continues } from '../../ledger.ts'
import { systemClock, writeDurably } from '../../platform.ts'
import { createSignerState, makeKey } from '../../witness.ts'
import { readArguments, usageError } from '../arguments.ts'
import { CommandError, messageOf } from '../errors.ts'
import { DEFAULT_CONFIG, VKEY_FILE } from '../log-place.ts'
import { configTemplate } from '../template.ts'
import { DONE, print, printJson, say } from '../terminal.ts'
import type { Command, Io } from '../terminal.ts'

const SECRET_FILE_MODE = 0o600
const SECRET_FOLDER_MODE = 0o700
/** Of the key of the fingerprints, and of the tenant's. */
const KEY_BYTES = 32

/** A file of keys before `countersign keys` puts one into it. */
const NO_KEYS = '# Kept by `countersign keys`.\nversion: 1\nkeys: []\n'

/** What `init` wrote; absolute paths. */
export interface Initialised {
  readonly config: string
  readonly schema: string
  readonly vkeyFile: string
  /** The Ed25519 key of the log alone, for tools that read one key; `vkeyFile` has the ML-DSA-44 key too. */
  readonly vkey: string
  readonly data: string
  readonly signerState: string
}

/** `countersign init`. */
export const init: Command = async (args, io) => {
  const { values, positionals } = readArguments(args, {
    command: 'init',
    options: {
      origin: { type: 'string' },
      continues: { type: 'string' },
      vkey: { type: 'string' },
      json: { type: 'boolean' },
    },
    positionalsMax: 1,
  })
  const origin = values.origin ?? `example.com/audit/${randomBytes(4).toString('hex')}`
  if (!/^[^\s+]{1,255}$/.test(origin)) {
    throw usageError(
      'init',
      `could not use '${origin}' as an origin: no spaces, no '+', at most 255 characters`,
    )
  }
  const folder = resolve(positionals[0] ?? '.')
  const rotation = await continued(origin, values, io)
  const made = await initialise({ folder, origin, config: configTemplate(origin), rotation })
  if (values.json === true) {
    const continues = rotation === undefined ? {} : { continues: rotation }
    printJson(io, { origin, ...made, ...continues })
    return DONE
  }
  const near = (path: string): string => relative('.', path) || '.'
  for (const path of [
    made.config,
    made.schema,
    join(folder, 'secrets'),
    made.vkeyFile,
    made.data,
    made.signerState,
  ])
    print(io, near(path))
  const option = folder === resolve('.') ? '' : ` --config ${near(made.config)}`
  if (rotation !== undefined)
    say(io, `countersign: record 0 continues ${rotation.origin} at ${rotation.size} records`)
  say(io, `countersign: ${origin} is ready. Next:`)
  say(io, `  1. put your services into ${near(made.config)}`)
  say(io, `  2. countersign keys create --name alice --type user --group support${option}`)
  say(io, `  3. countersign up${option}`)
  say(
    io,
    `countersign: give ${near(made.vkeyFile)} to those who are to verify the log; keep secrets/ to yourself`,
  )
  return DONE
}

async function continued(
  origin: string,
  { continues: place, vkey }: { continues?: string; vkey?: string },
  io: Io,
): Promise<Continues['rotation'] | undefined> {
  if (place === undefined) {
    if (vkey === undefined) return undefined
    throw usageError('init', 'could not run: --vkey is the key of the log that --continues names')
  }
  const { readOldLog } = await import('../old-log.ts')
  const rotation = await readOldLog({ place, vkey }, io)
  if (rotation.origin !== origin) return rotation
  throw usageError(
    'init',
    `could not continue ${place}: it is ${origin} too, and a new key needs a new origin`,
    'give --origin another name',
  )
}

/**
 * Writes configuration, keys and an empty log into a folder. Nothing is overwritten: if any of it is there, nothing is done.
 * @throws {CommandError} `CANNOT_RUN`
 */
export async function initialise(wanted: {
  folder: string
  origin: string
  config: string
  /** Of the log that this one continues. */
  rotation?: Continues['rotation'] | undefined
}): Promise<Initialised> {
  const { folder, origin, config, rotation } = wanted
  const paths = {
    config: join(folder, DEFAULT_CONFIG),
    schema: join(folder, 'countersign.schema.json'),
    vkeyFile: join(folder, VKEY_FILE),
    data: join(folder, 'countersign-data'),
    signerState: join(folder, 'signer-state'),
  }
  const secrets = join(folder, 'secrets')
  for (const path of [...Object.values(paths), secrets]) await refuseExisting(path)
  try {
    await mkdir(folder, { recursive: true })
    await mkdir(secrets, { recursive: true, mode: SECRET_FOLDER_MODE })
    const logKeys = [SignatureType.ed25519, SignatureType.mlDsa44].map((type) =>
      makeKey(origin, type),
    )
    const sequencer = makeKey(origin, SignatureType.ed25519)
    await writeSecret(join(secrets, 'log.skey'), lines(logKeys.map(({ skey }) => skey)))
    await writeSecret(join(secrets, 'sequencer.skey'), lines([sequencer.skey]))
    // Public: a signer on another host knows the ledger by it.
    await writeDurably(join(secrets, 'sequencer.vkey'), lines([sequencer.vkey]))
    for (const file of ['fingerprint.key', 'tenant.key'])
      await writeSecret(join(secrets, file), `${randomBytes(KEY_BYTES).toString('hex')}\n`)
    for (const file of ['api-keys.yaml', 'egress-orders.yaml'])
      await writeSecret(join(secrets, file), NO_KEYS)
    const vkeys = logKeys.map(({ vkey }) => vkey)
    await writeDurably(paths.vkeyFile, lines(vkeys))
    await writeDurably(paths.schema, `${JSON.stringify(jsonSchema(), undefined, 2)}\n`)
    const continues = rotation === undefined ? undefined : { rotation, clock: systemClock }
    await createLog({ dataDir: paths.data, origin, continues })
    await createSignerState({ stateDir: paths.signerState, origin })
    // Last: whoever finds a configuration finds all that it names.
    await writeDurably(paths.config, config)
    return { ...paths, vkey: vkeys[0] ?? '' }
  } catch (cause) {
    throw new CommandError('CANNOT_RUN', `could not set up ${folder}: ${messageOf(cause)}`, {
      cause,
    })
  }
}

function lines(texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join('')
}

async function writeSecret(path: string, text: string): Promise<void> {
  await writeDurably(path, text, { mode: SECRET_FILE_MODE })
}

async function refuseExisting(path: string): Promise<void> {
  const exists = await access(path).then(
    () => true,
    () => false,
  )
  if (!exists) return
  throw new CommandError(
    'CANNOT_RUN',
    `could not set up ${dirname(path)}: ${path} is there already`,
    {
      hint: 'choose another folder: keys and logs are never overwritten',
    },
  )
}
