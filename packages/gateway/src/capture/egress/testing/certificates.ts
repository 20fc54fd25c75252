/** Certificates made by openssl, for tests. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Certificates {
  readonly folder: string
  /** The path of a file in the folder. */
  path(name: string): string
  read(name: string): Buffer
  /** Makes `name.pem` and `name.key`, signed by the authority. `names` is an openssl subjectAltName. */
  issue(name: string, names: string): void
  remove(): void
}

/** An authority (`ca.pem`) in a new folder. */
export function openCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-egress-'))
  const path = (name: string): string => join(folder, name)
  const openssl = (...args: readonly string[]): void => {
    execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  }
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-subj',
    '/CN=test authority',
    '-days',
    '2',
  )
  return {
    folder,
    path,
    read: (name) => readFileSync(path(name)),
    issue(name, names) {
      openssl(
        'req',
        ...key,
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.csr`,
        '-subj',
        `/CN=${name}`,
      )
      writeFileSync(path(`${name}.ext`), `subjectAltName=${names}\n`)
      const signed = [
        '-CA',
        'ca.pem',
        '-CAkey',
        'ca.key',
        '-CAcreateserial',
        '-days',
        '2',
        '-extfile',
        `${name}.ext`,
      ]
      openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.pem`, ...signed)
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
