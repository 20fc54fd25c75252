/** A certificate for a name, made by openssl for one test. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Certificate {
  readonly cert: Buffer
  readonly key: Buffer
}

export function makeCertificate(name: string): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-http1-'))
  const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const wanted = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout ${keyFile} -out ${certFile} -subj /CN=${name} -addext subjectAltName=DNS:${name}`
  execFileSync('openssl', wanted.split(' '), { stdio: 'ignore' })
  const made = { cert: readFileSync(certFile), key: readFileSync(keyFile) }
  rmSync(folder, { recursive: true })
  return made
}
