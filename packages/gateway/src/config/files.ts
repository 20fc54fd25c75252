/** The files a configuration names. Those that must be there are checked before anything starts. */
import { access } from 'node:fs/promises'
import type { Finding } from './cross-check.ts'
import type { Config } from './schema.ts'

interface NamedFile {
  readonly path: readonly PropertyKey[]
  readonly file: string
  /** A file of keys appears with its first key, and the signer's key may be on the signer's machine only. */
  readonly mayBeAbsent?: string
}

/** @param resolve from a path as written to one that can be opened. */
export async function checkFiles(
  config: Config,
  resolve: (relative: string) => string,
): Promise<Finding[]> {
  const found = await Promise.all(
    namedFiles(config).map(async ({ path, file, mayBeAbsent }): Promise<Finding[]> => {
      if (await isThere(resolve(file))) return []
      const message = `there is no file ${resolve(file)}`
      if (mayBeAbsent === undefined) return [{ level: 'error', path, message }]
      return [{ level: 'warning', path, message: `${message}; ${mayBeAbsent}` }]
    }),
  )
  return found.flat()
}

function namedFiles(config: Config): NamedFile[] {
  const files: NamedFile[] = [
    ...signerFiles(config.signer),
    { path: ['sequencer', 'key'], file: config.sequencer.key },
    { path: ['fingerprintKey'], file: config.fingerprintKey },
  ]
  if (config.seal !== undefined) files.push({ path: ['seal', 'key'], file: config.seal.key })
  const { policy, ca } = config.witnesses ?? {}
  for (const [member, file] of Object.entries({ policy, ca })) {
    if (file !== undefined) files.push({ path: ['witnesses', member], file })
  }
  files.push(...readerFiles(config.reader))
  for (const [name, listener] of Object.entries(config.listen)) {
    if (listener === undefined || !('tls' in listener) || listener.tls === undefined) continue
    const { certificate, key, clientCa } = listener.tls
    for (const [member, file] of Object.entries({ certificate, key, clientCa })) {
      if (file !== undefined) files.push({ path: ['listen', name, 'tls', member], file })
    }
  }
  for (const [at, identity] of config.identities.entries()) {
    if ('clientCertificates' in identity) {
      files.push({
        path: ['identities', at, 'clientCertificates'],
        file: identity.clientCertificates,
      })
    } else if ('keys' in identity) {
      files.push({ path: ['identities', at, 'keys'], file: identity.keys, mayBeAbsent: noKeys })
    }
  }
  for (const [name, { upstreamCa, egress }] of Object.entries(config.services)) {
    if (upstreamCa !== undefined)
      files.push({ path: ['services', name, 'upstreamCa'], file: upstreamCa })
    if (egress?.credentials === undefined) continue
    files.push({
      path: ['services', name, 'egress', 'credentials'],
      file: egress.credentials,
      mayBeAbsent: noKeys,
    })
  }
  return files
}

function readerFiles({ index, logs }: Config['reader']): NamedFile[] {
  const files = logs.map(({ vkey }, at) => ({
    path: ['reader', 'logs', at, 'vkey'],
    file: vkey,
  }))
  const ofIndex = Object.entries({ password: index?.password, ca: index?.ca }).flatMap(
    ([member, file]) => (file === undefined ? [] : [{ path: ['reader', 'index', member], file }]),
  )
  return [...ofIndex, ...files]
}

function signerFiles(signer: Config['signer']): NamedFile[] {
  if ('key' in signer)
    return [{ path: ['signer', 'key'], file: signer.key, mayBeAbsent: 'the signer needs it' }]
  return signer.ca === undefined ? [] : [{ path: ['signer', 'ca'], file: signer.ca }]
}

const noKeys = 'no key is known until `countersign keys create` makes one'

async function isThere(file: string): Promise<boolean> {
  try {
    await access(file)
    return true
  } catch (error) {
    // One that may not be read is there; whoever opens it says so better.
    return !(
      error instanceof Error &&
      'code' in error &&
      (error.code === 'ENOENT' || error.code === 'ENOTDIR')
    )
  }
}
