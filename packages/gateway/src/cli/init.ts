import { randomBytes } from 'node:crypto'
import { access, mkdir } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { formatSkey, formatVkey, keyId, SignatureType } from '@countersign/tlog/key'
import type { SignerKey, VerifierKey } from '@countersign/tlog/key'
import { jsonSchema } from '../config.ts'
import { createLog } from '../ledger.ts'
import { ed25519PublicKey, sha256, writeDurably } from '../platform.ts'
import { createSignerState } from '../witness.ts'
import { readArguments, usageError } from './arguments.ts'
import { CommandError, messageOf } from './errors.ts'
import { DEFAULT_CONFIG, VKEY_FILE } from './log-place.ts'
import { configTemplate } from './template.ts'
import { DONE, print, printJson, say } from './terminal.ts'
import type { Command } from './terminal.ts'

const SECRET_FILE_MODE = 0o600
const SECRET_FOLDER_MODE = 0o700
const SEED_BYTES = 32
/** Of the key of the fingerprints, and of the tenant's. */
const KEY_BYTES = 32

/** A file of keys before `countersign keys` puts one into it. */
const NO_KEYS = '# Kept by `countersign keys`.\nversion: 1\nkeys: []\n'

/** What `init` wrote; absolute paths. */
export interface Initialised {
  readonly config: string
  readonly schema: string
  readonly vkeyFile: string
  readonly vkey: string
  readonly data: string
  readonly signerState: string
}

/** `countersign init`. */
export const init: Command = async (args, io) => {
  const { values, positionals } = readArguments(args, {
    command: 'init',
    options: { origin: { type: 'string' }, json: { type: 'boolean' } },
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
  const made = await initialise({ folder, origin, config: configTemplate(origin) })
  if (values.json === true) {
    printJson(io, { origin, ...made })
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

/**
 * Writes configuration, keys and an empty log into a folder. Nothing is overwritten: if any of it is there, nothing is done.
 * @throws {CommandError} `CANNOT_RUN`
 */
export async function initialise(wanted: {
  folder: string
  origin: string
  config: string
}): Promise<Initialised> {
  const { folder, origin, config } = wanted
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
    const logKey = newKey(origin)
    const vkey = formatVkey(logKey.verifier)
    await writeSecret(join(secrets, 'log.skey'), `${formatSkey(logKey.signer)}\n`)
    await writeSecret(join(secrets, 'sequencer.skey'), `${formatSkey(newKey(origin).signer)}\n`)
    for (const file of ['fingerprint.key', 'tenant.key'])
      await writeSecret(join(secrets, file), `${randomBytes(KEY_BYTES).toString('hex')}\n`)
    for (const file of ['api-keys.yaml', 'egress-orders.yaml'])
      await writeSecret(join(secrets, file), NO_KEYS)
    await writeDurably(paths.vkeyFile, `${vkey}\n`)
    await writeDurably(paths.schema, `${JSON.stringify(jsonSchema(), undefined, 2)}\n`)
    await createLog({ dataDir: paths.data, origin })
    await createSignerState({ stateDir: paths.signerState, origin })
    // Last: whoever finds a configuration finds all that it names.
    await writeDurably(paths.config, config)
    return { ...paths, vkey }
  } catch (cause) {
    throw new CommandError('CANNOT_RUN', `could not set up ${folder}: ${messageOf(cause)}`, {
      cause,
    })
  }
}

function newKey(name: string): { signer: SignerKey; verifier: VerifierKey } {
  const seed = randomBytes(SEED_BYTES)
  const unnamed = { name, type: SignatureType.ed25519, publicKey: ed25519PublicKey(seed) }
  const id = keyId(unnamed, sha256)
  return { signer: { name, id, type: unnamed.type, seed }, verifier: { ...unnamed, id } }
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
