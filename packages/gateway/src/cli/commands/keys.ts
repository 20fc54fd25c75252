import { resolve } from 'node:path'
import { createApiKey, listApiKeys, revokeApiKey } from '../../identity.ts'
import { readArguments, usageError } from '../arguments.ts'
import { CommandError } from '../errors.ts'
import { DEFAULT_CONFIG } from '../log-place.ts'
import { column, DONE, escapeText, print, printJson, say } from '../terminal.ts'
import type { Command, Io } from '../terminal.ts'

const COMMAND = 'keys'
const DAY_MS = 86_400_000

const fileOptions = {
  config: { type: 'string', short: 'c', default: DEFAULT_CONFIG },
  egress: { type: 'string' },
  file: { type: 'string' },
  json: { type: 'boolean' },
} as const

/** `countersign keys create | list | revoke`. */
export const keys: Command = async ([what, ...args], io) => {
  if (what === 'create') return await create(args, io)
  if (what === 'list') return await list(args, io)
  if (what === 'revoke') return await revoke(args, io)
  throw usageError(COMMAND, "could not run: it is 'keys create', 'keys list' or 'keys revoke'")
}

async function create(args: readonly string[], io: Io): Promise<number> {
  const { values } = readArguments(args, {
    command: COMMAND,
    options: {
      ...fileOptions,
      name: { type: 'string' },
      type: { type: 'string' },
      group: { type: 'string', multiple: true },
      expires: { type: 'string' },
    },
  })
  const { name, type, expires, group: groups = [] } = values
  if (name === undefined || type === undefined)
    throw usageError(COMMAND, 'could not create a key: it needs --name and --type')
  if (type !== 'user' && type !== 'service') {
    throw usageError(COMMAND, `could not create a key: --type is user or service, not '${type}'`)
  }
  const file = await keyFile(values)
  const made = await createApiKey(file, {
    name,
    type,
    groups,
    ...(expires === undefined ? {} : { expires: endOfDay(expires) }),
  })
  if (values.json === true) printJson(io, { id: made.id, key: made.key, name, type, groups, file })
  else {
    print(io, made.key)
    say(io, `countersign: key ${made.id} for ${type} ${name}; it is not shown again`)
  }
  return DONE
}

async function list(args: readonly string[], io: Io): Promise<number> {
  const { values } = readArguments(args, { command: COMMAND, options: fileOptions })
  const all = await listApiKeys(await keyFile(values))
  if (values.json === true) printJson(io, all)
  else {
    for (const { id, type, name, groups, expires, revoked } of all) {
      const state =
        revoked === undefined
          ? expires === undefined
            ? ''
            : `until ${expires}`
          : `revoked ${revoked}`
      print(
        io,
        escapeText(
          `${column(id, 18)} ${column(type, 8)} ${column(name, 18)} ${groups.join(',')}  ${state}`,
        ).trimEnd(),
      )
    }
  }
  return DONE
}

async function revoke(args: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = readArguments(args, {
    command: COMMAND,
    options: fileOptions,
    positionalsMin: 1,
    expects: 'the id of a key',
  })
  const [id = ''] = positionals
  await revokeApiKey(await keyFile(values), id)
  if (values.json === true) printJson(io, { revoked: id })
  else say(io, `countersign: key ${id} is revoked`)
  return DONE
}

/** The file of keys that is meant: named, or found through the configuration. */
async function keyFile(values: {
  file?: string | undefined
  config: string
  egress?: string | undefined
}): Promise<string> {
  if (values.file !== undefined) return resolve(values.file)
  const { loadConfig } = await import('../../config.ts')
  const loaded = await loadConfig(resolve(values.config), {
    files: 'unchecked',
  })
  const { config } = loaded
  if (values.egress !== undefined) {
    const credentials = config.services[values.egress]?.egress?.credentials
    if (credentials !== undefined) return loaded.resolve(credentials)
    throw new CommandError(
      'CANNOT_RUN',
      `could not find keys: services.${values.egress}.egress names no 'credentials' file`,
      {
        hint: 'add the line, or name the file with --file',
      },
    )
  }
  const files = config.identities.flatMap((identity) => ('keys' in identity ? [identity.keys] : []))
  const [only] = files
  if (only === undefined || files.length > 1) {
    const why =
      only === undefined
        ? "no 'keys' file under identities"
        : "several 'keys' files under identities"
    throw new CommandError(
      'CANNOT_RUN',
      `could not choose a file of keys: the configuration names ${why}`,
      {
        hint: 'name the file with --file',
      },
    )
  }
  return loaded.resolve(only)
}

/** From the last day on which a key works to the first moment at which it does not. @throws {CommandError} `USAGE` */
function endOfDay(text: string): string {
  const startMs = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN
  if (!Number.isNaN(startMs)) return new Date(startMs + DAY_MS).toISOString()
  throw usageError(
    COMMAND,
    `could not read --expires: '${text}' is not a date`,
    "write it as '2027-01-31'",
  )
}
