/** Opens the gateway as a process's work, and reads its configuration again on SIGHUP and when the file changes. */
import type { LoadedConfig } from '../config.ts'
import { startGateway } from '../gateway.ts'
import type { Gateway } from '../gateway.ts'
import type { Opened } from './commands/processes.ts'
import { program } from './program.ts'
import { openReloader, watchFiles } from './reloader.ts'
import type { Io } from './terminal.ts'

export async function openGateway(loaded: LoadedConfig, io: Io): Promise<Opened> {
  const gateway = await startGateway({ loaded, program: program() })
  const reloader = openReloader({ name: 'gateway', ...gateway }, loaded, io)
  const watching = watchFiles(loaded, reloader)
  return {
    listening: listeningOf(gateway, loaded),
    reload: () => reloader.asked(),
    async close() {
      watching.close()
      await reloader.close()
      await gateway.close()
    },
  }
}

function listeningOf(gateway: Gateway, { config }: LoadedConfig): Record<string, string> {
  const urls: Record<string, string> = {}
  for (const name of ['inbound', 'egress', 'admin'] as const) {
    const bound = gateway.addresses[name]
    if (bound === undefined) continue
    const host = bound.address.includes(':') ? `[${bound.address}]` : bound.address
    const listener = config.listen[name]
    const scheme =
      listener !== undefined && 'tls' in listener && listener.tls !== undefined ? 'https' : 'http'
    urls[name] = `${scheme}://${host}:${bound.port}`
  }
  return urls
}
