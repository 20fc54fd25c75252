/** Certificates made by openssl, an implementation that shares nothing with ours. */
import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface LeafSpec {
  readonly subject?: string
  readonly san?: string
  readonly days?: number
  readonly isAuthority?: boolean
}

/** A certificate authority in a folder; `file` is its certificate, in PEM. */
export async function givenAuthority(
  folder: string,
  name: string,
): Promise<{ file: string; issue(leaf: LeafSpec): Promise<Uint8Array> }> {
  const file = join(folder, `${name}.pem`)
  const key = join(folder, `${name}.key`)
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  await run('openssl', [
    'req',
    '-x509',
    ...ec,
    '-keyout',
    key,
    '-out',
    file,
    '-subj',
    `/CN=${name}`,
    '-days',
    '3650',
  ])
  let count = 0
  return {
    file,
    async issue({ subject = '/', san, days = 30, isAuthority = false }) {
      const leaf = join(folder, `${name}-${count++}`)
      const extensions = [`basicConstraints=CA:${isAuthority ? 'TRUE' : 'FALSE'}`]
      if (san !== undefined) extensions.push(`subjectAltName=${san}`)
      await writeFile(`${leaf}.ext`, extensions.join('\n'))
      await run('openssl', [
        'req',
        '-new',
        ...ec,
        '-keyout',
        `${leaf}.key`,
        '-out',
        `${leaf}.csr`,
        '-subj',
        subject,
      ])
      const signing = ['-CA', file, '-CAkey', key, '-CAcreateserial', '-days', String(days)]
      await run('openssl', [
        'x509',
        '-req',
        '-in',
        `${leaf}.csr`,
        ...signing,
        '-extfile',
        `${leaf}.ext`,
        '-out',
        `${leaf}.pem`,
      ])
      return new X509Certificate(await readFile(`${leaf}.pem`)).raw
    },
  }
}
