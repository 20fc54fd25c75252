/** Fetches a small JSON document from an identity provider: no redirects, a size cap, one deadline for all of it. */
import { Agent, request } from 'undici'

export interface FetchJson {
  (url: URL): Promise<unknown>
}

const documentBytesMax = 256 * 1024
const deadlineMs = 5_000

/** Opens a fetcher with connections of its own; `close` ends them. */
export function openFetchJson(): { fetchJson: FetchJson; close: () => Promise<void> } {
  const dispatcher = new Agent({
    connections: 2,
    maxResponseSize: documentBytesMax,
    connect: { timeout: deadlineMs },
  })
  return {
    async fetchJson(url) {
      const signal = AbortSignal.timeout(deadlineMs)
      const { statusCode, body } = await request(url, {
        dispatcher,
        signal,
        headers: { accept: 'application/json' },
      })
      const text = await body.text()
      // A redirect is an answer like any other that is not 200: it is not followed.
      if (statusCode !== 200) throw new Error(`${url.origin} answered ${statusCode}`)
      return JSON.parse(text) as unknown
    },
    close: () => dispatcher.destroy(),
  }
}

/** https anywhere; http only where it was allowed, and only to this machine. */
export function mayFetch(url: URL, allowInsecureHttp: boolean): boolean {
  if (url.username !== '' || url.password !== '') return false
  if (url.protocol === 'https:') return true
  const isLoopback = /^(127\.\d+\.\d+\.\d+|\[::1\]|localhost)$/.test(url.hostname)
  return url.protocol === 'http:' && allowInsecureHttp && isLoopback
}
