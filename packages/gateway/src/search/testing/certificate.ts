/** A certificate that is its own authority, made by openssl. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** @returns PEM of both */
export async function makeCertificate(
  t: Pick<TestContext, 'after'>,
  name: string,
): Promise<{ readonly cert: string; readonly key: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-certificate-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const words = [
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2',
    `-keyout key.pem -out cert.pem -subj /CN=${name} -addext subjectAltName=DNS:${name}`,
  ]
  await run('openssl', words.join(' ').split(' '), { cwd: folder })
  return { cert: await readFile(cert, 'utf8'), key: await readFile(key, 'utf8') }
}
