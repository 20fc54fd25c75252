/**
 * Where the API is, and as whom it is asked. Whoever owns the data folder finds there what the running reader wrote for them: its address
 * and a key that lives as long as that process. Others name the API and bring a key of theirs. A key is sent nowhere in the clear.
 */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, CommandError, messageOf } from './errors.ts'
import { memberOf, parseJson, textIn } from './json.ts'
import { findConfig, here } from './config-place.ts'
import type { Surroundings } from './config-place.ts'
import { DEFAULT_CONFIG, readText } from './log-place.ts'

/** The file in the data folder in which the running reader says where it is. */
const READER_FILE = 'run/reader.json'

/** More is no file of ours. */
const READER_FILE_BYTES_MAX = 4096

/** The options of a command that asks the API. */
export const apiOptions = {
  api: { type: 'string' },
  'key-file': { type: 'string' },
  'token-file': { type: 'string' },
  ca: { type: 'string' },
  config: { type: 'string', short: 'c' },
} as const

export interface ApiOptions {
  readonly api?: string | undefined
  readonly 'key-file'?: string | undefined
  readonly 'token-file'?: string | undefined
  readonly ca?: string | undefined
  readonly config?: string | undefined
}

/** An API, and what one shows it. */
export interface ApiPlace {
  readonly url: URL
  /** Name and value of the header that says who asks; none where nothing was given. */
  readonly credential?: readonly [name: string, value: string]
  /** PEM of the authority that vouches for it, instead of those this machine trusts. */
  readonly ca?: string
}

/**
 * Finds the API: the one that is named; else that of the configuration; else that of this user's running demo.
 * @throws {CommandError} `USAGE`, `CANNOT_RUN`; and what `loadConfig` throws
 */
export async function findApi(
  options: ApiOptions,
  surroundings: Surroundings = here,
): Promise<ApiPlace> {
  if (options.api !== undefined) return await named(options.api, options)
  for (const name of ['key-file', 'token-file', 'ca'] as const)
    if (options[name] !== undefined) throw misused(`could not run: --${name} goes with --api`)
  const file = await findConfig(options.config, surroundings)
  if (file !== undefined) return await ofConfig(file)
  throw new CommandError(
    'CANNOT_RUN',
    `could not find the API: there is no ${DEFAULT_CONFIG} here, and no demo of yours is running`,
    { hint: 'name a configuration with --config FILE, or an API with --api URL' },
  )
}

async function ofConfig(file: string): Promise<ApiPlace> {
  const { loadConfig } = await import('../config.ts')
  const loaded = await loadConfig(file, { files: 'unchecked' })
  const path = join(loaded.resolve(loaded.config.data), READER_FILE)
  const text = await readPrivate(path)
  if (text === undefined) {
    throw new CommandError('CANNOT_RUN', `could not ask: the reader of ${file} is not running`, {
      hint: "'countersign up' starts it",
    })
  }
  return readerPlace(text, path)
}

/** A file that only its owner may write: a key that others chose leads to their log. */
async function readPrivate(path: string): Promise<string | undefined> {
  try {
    const file = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0))
    try {
      const { mode, size } = await file.stat()
      if (size > READER_FILE_BYTES_MAX) throw new Error(`it is over ${READER_FILE_BYTES_MAX} bytes`)
      if ((mode & 0o022) !== 0) throw new Error('others may write it')
      return await file.readFile('utf8')
    } finally {
      await file.close()
    }
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined
    throw new CommandError('CANNOT_RUN', `could not read ${path}: ${messageOf(cause)}`, {
      cause,
      hint: 'whoever runs the gateway may read it; others ask with --api and --key-file',
    })
  }
}

function readerPlace(text: string, path: string): ApiPlace {
  const said = parseJson(text)
  const [api, key] = [textIn(said, 'api'), textIn(said, 'key')]
  if (
    api !== undefined &&
    URL.canParse(api) &&
    key === undefined &&
    memberOf(said, 'key') === undefined
  )
    throw new CommandError(
      'DENIED',
      'could not ask: the configuration gives its operator no access',
      {
        hint: 'reader.operator in the configuration says as whom the operator reads',
      },
    )
  if (api !== undefined && URL.canParse(api) && key !== undefined && isHeader(key))
    return { url: checked(new URL(api), true), credential: ['x-api-key', key] }
  throw new CommandError('CANNOT_RUN', `could not read ${path}: it is not what a reader writes`, {
    hint: 'is it a reader of this version? start it again',
  })
}

async function named(api: string, options: ApiOptions): Promise<ApiPlace> {
  if (!/^https?:\/\//.test(api) || !URL.canParse(api))
    throw misused(`could not read --api: '${api}' is no http:// or https:// URL`)
  const credential = await givenCredential(options)
  const url = checked(new URL(api), credential !== undefined)
  return {
    url,
    ...(credential === undefined ? {} : { credential }),
    ...(options.ca === undefined ? {} : { ca: await readText(options.ca) }),
  }
}

async function givenCredential(options: ApiOptions): Promise<ApiPlace['credential']> {
  const { 'key-file': keyFile, 'token-file': tokenFile } = options
  if (keyFile !== undefined && tokenFile !== undefined)
    throw misused('could not run: it is --key-file or --token-file, not both')
  if (keyFile !== undefined) return ['x-api-key', await readSecret(keyFile)]
  if (tokenFile !== undefined) return ['authorization', `Bearer ${await readSecret(tokenFile)}`]
  return undefined
}

async function readSecret(file: string): Promise<string> {
  const secret = (await readText(file)).trim()
  if (isHeader(secret)) return secret
  throw new CommandError('CANNOT_RUN', `could not use ${file}: it must hold one line, the secret`)
}

/** Whether a text may stand in a header: one line of visible ASCII. */
function isHeader(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text)
}

/** @throws {CommandError} `CANNOT_RUN` when a credential would pass over a network in the clear */
function checked(url: URL, hasCredential: boolean): URL {
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    throw misused('could not read --api: it is a URL without user, query and fragment')
  if (url.protocol === 'https:' || !hasCredential || isLoopback(url.hostname)) return url
  throw new CommandError(
    'CANNOT_RUN',
    `could not ask ${url.origin}: a key would pass over the network in the clear`,
    { hint: 'name it as https://, with --ca FILE where its authority is your own' },
  )
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname)
}

function misused(message: string): CommandError {
  const hint = 'an API is named with --api URL, and --key-file FILE or --token-file FILE'
  return new CommandError('USAGE', message, { hint })
}
