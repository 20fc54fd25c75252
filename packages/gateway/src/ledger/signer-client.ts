/** The ledger's side of `add-checkpoint`: asks the signer, here or on another host, to sign what it can check. */
import { Client } from 'undici'
import { formatAddCheckpoint, parseLatestSize } from '@countersign/tlog/add-checkpoint'
import type { AddCheckpoint } from '@countersign/tlog/add-checkpoint'
import { LedgerError, messageOf } from './errors.ts'
import { SIGNER_TIMEOUT_MS } from './limits.ts'

/** Bytes of an answer: some signature lines. */
const ANSWER_BYTES_MAX = 65_536

/** What the signer said: signature lines, or the size it signed last. */
export type SignerAnswer = { readonly lines: readonly string[] } | { readonly latest: bigint }

/** Where the signer is: its unix socket, or the URL below which it answers, with the PEM text of authorities to believe. */
export type SignerPlace =
  | { readonly socketPath: string }
  | { readonly url: string; readonly ca?: string | undefined }

export class SignerClient {
  readonly #place: SignerPlace
  #client: Client | undefined

  constructor(place: SignerPlace) {
    this.#place = place
  }

  /**
   * @throws {LedgerError} `SIGNER_UNAVAILABLE` when it cannot be reached; `LEDGER_SPLIT` when what it signed before does not
   * lead to this checkpoint; `SIGNER_REFUSED` for any other refusal.
   */
  async addCheckpoint(request: AddCheckpoint): Promise<SignerAnswer> {
    const { statusCode, text } = await this.#post(formatAddCheckpoint(request))
    if (statusCode === 200) return { lines: text.trimEnd().split('\n') }
    if (statusCode === 409) return { latest: parseLatestSize(text) }
    const said = `${statusCode} ${JSON.stringify(text.slice(0, 200))}`
    if (statusCode === 422) {
      throw new LedgerError(
        'LEDGER_SPLIT',
        `could not sign: the signer has signed another history of this log (${said})`,
        {
          hint: 'this folder was restored from a copy and written to, or another ledger writes the same log: keep the folder whose records were signed, stop the other, and never reset the signer',
        },
      )
    }
    throw new LedgerError('SIGNER_REFUSED', `could not sign: the signer answered ${said}`, {
      hint: 'check that origin and sequencer key are the same for ledger and signer',
    })
  }

  async close(): Promise<void> {
    await this.#client?.destroy()
  }

  async #post(body: string): Promise<{ statusCode: number; text: string }> {
    // One connection, one request at a time: signatures are sequential by nature.
    this.#client ??= openClient(this.#place)
    try {
      const path = 'url' in this.#place ? pathBelow(this.#place.url) : '/add-checkpoint'
      const answer = await this.#client.request({ method: 'POST', path, body })
      return { statusCode: answer.statusCode, text: await answer.body.text() }
    } catch (cause) {
      const where = 'url' in this.#place ? this.#place.url : this.#place.socketPath
      throw new LedgerError(
        'SIGNER_UNAVAILABLE',
        `could not reach the signer at ${where}: ${messageOf(cause)}`,
        {
          cause,
          hint: 'start it with countersign signer',
        },
      )
    }
  }
}

function openClient(place: SignerPlace): Client {
  const limits = {
    headersTimeout: SIGNER_TIMEOUT_MS,
    bodyTimeout: SIGNER_TIMEOUT_MS,
    maxResponseSize: ANSWER_BYTES_MAX,
  }
  if ('socketPath' in place)
    return new Client('http://signer', { ...limits, socketPath: place.socketPath })
  const { url, ca } = place
  const connect = { timeout: SIGNER_TIMEOUT_MS, ...(ca === undefined ? {} : { ca }) }
  return new Client(new URL(url).origin, { ...limits, connect })
}

function pathBelow(url: string): string {
  return `${new URL(url).pathname.replace(/\/$/, '')}/add-checkpoint`
}
