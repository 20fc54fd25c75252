/** Certificates made by openssl in a folder of their own. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** An authority and what it has signed; file names, because curl wants files. */
export interface Pki {
  readonly folder: string
  readonly ca: Buffer
  /** Signs a certificate for a DNS name, or for a client. */
  issue(
    name: string,
  ): Promise<{ certificate: Buffer; key: Buffer; certificateFile: string; keyFile: string }>
}

export async function openPki(t: TestContext): Promise<Pki> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-pki-'))
  t.after(() => rm(folder, { recursive: true }))
  const openssl = (...args: string[]): Promise<unknown> => run('openssl', args, { cwd: folder })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  await openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-days',
    '2',
    '-subj',
    '/CN=test authority',
  )
  return {
    folder,
    ca: await readFile(join(folder, 'ca.pem')),
    issue: async (name) => {
      await openssl(
        'req',
        ...key,
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.csr`,
        '-subj',
        `/CN=${name}`,
      )
      await writeFile(join(folder, `${name}.ext`), `subjectAltName=DNS:${name},IP:127.0.0.1\n`)
      await openssl(
        'x509',
        '-req',
        '-in',
        `${name}.csr`,
        '-CA',
        'ca.pem',
        '-CAkey',
        'ca.key',
        '-CAcreateserial',
        '-days',
        '2',
        '-out',
        `${name}.pem`,
        '-extfile',
        `${name}.ext`,
      )
      const certificateFile = join(folder, `${name}.pem`)
      const keyFile = join(folder, `${name}.key`)
      return {
        certificate: await readFile(certificateFile),
        key: await readFile(keyFile),
        certificateFile,
        keyFile,
      }
    },
  }
}
