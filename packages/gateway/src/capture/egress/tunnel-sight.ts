import { isIP } from 'node:net'
import type { TunnelFinding, TunnelSight } from './room.ts'
import type { FirstWords } from './tunnel.ts'

/** Compares what a client said first with the host it asked for. States facts; whether they matter is policy's. */
export function sightOf(
  { tls, hello }: FirstWords,
  { host, port }: { readonly host: string; readonly port: number },
): TunnelSight {
  const finding = findingOf(tls, hello?.sni, host)
  return {
    host,
    port,
    tls,
    ...(hello?.sni === undefined ? {} : { sni: hello.sni }),
    alpn: hello?.alpn ?? [],
    versions: hello?.versions ?? [],
    ech: hello?.ech ?? false,
    ...(finding === undefined ? {} : { finding }),
  }
}

function findingOf(tls: boolean, sni: string | undefined, host: string): TunnelFinding | undefined {
  if (!tls) return 'not_tls'
  // RFC 6066, section 3: an address is never a server name, so there is nothing to compare one with.
  if (isIP(host) !== 0) return undefined
  if (sni === undefined) return 'sni_missing'
  return sni === host ? undefined : 'sni_mismatch'
}
