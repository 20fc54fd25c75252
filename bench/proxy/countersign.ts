/** Countersign as an operator runs it: `init`, a key, `up`; three routes, one a mode, identity and policy on. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { freePort, start } from './proxy.ts'
import type { Route, Running } from './proxy.ts'

const program = resolve(import.meta.dirname, '../../packages/gateway/bin/countersign.js')
const run = promisify(execFile)

export const modes = ['strict', 'bounded', 'best-effort'] as const

/** @returns a route for each mode, all through the same gateway, ledger and signer. */
export async function startCountersign(
  folder: string,
  upstreamPort: number,
): Promise<{ routes: Route[]; running: Running }> {
  const home = join(folder, 'countersign')
  const config = join(home, 'countersign.yaml')
  await run(process.execPath, [program, 'init', home, '--origin', 'bench.example.com/proxy'])
  const port = await freePort()
  await writeFile(config, configText(port, upstreamPort))
  const words = ['keys', 'create', '--name', 'client', '--type', 'service', '--config', config]
  const { stdout: key } = await run(process.execPath, [program, ...words])
  const headers = { authorization: `Bearer ${key.trim()}` }

  const command = [process.execPath, program, 'up', '--config', config] as const
  const running = start(command, { logFile: join(folder, 'countersign.log') })
  const routes = modes.map((mode) => ({
    name: mode,
    port,
    prefix: `/${mode}`,
    headers,
    pid: running.pid,
  }))
  return { routes, running }
}

/** The rest of the policy is there to be searched: a table with one row would flatter us. */
function configText(port: number, upstreamPort: number): string {
  const many = Array.from({ length: 50 }, (_, row) => row)
  const routes = [
    ...modes.map(
      (mode) => `{ match: 'GET /${mode}/{file}', permission: files.read, mode: ${mode} }`,
    ),
    ...many.map(
      (row) => `{ match: 'GET /other${row}/{id}/part/{part}', permission: other${row}.read }`,
    ),
  ]
  return `origin: bench.example.com/proxy
data: ./countersign-data
signer: { key: ./secrets/log.skey, state: ./signer-state }
sequencer: { key: ./secrets/sequencer.skey }
fingerprintKey: ./secrets/fingerprint.key
listen: { inbound: '127.0.0.1:${port}' }
identities:
  - keys: ./secrets/api-keys.yaml
roles:
  reader: [files.read]
${many.map((row) => `  role${row}: [other${row}.*]`).join('\n')}
grants:
  - { role: reader, to: 'service:client' }
${many.map((row) => `  - { role: role${row}, to: 'group:group${row}' }`).join('\n')}
services:
  files:
    upstream: http://127.0.0.1:${upstreamPort}
    routes:
${routes.map((route) => `      - ${route}`).join('\n')}
`
}
