/**
 * The ledger's side of `add-checkpoint` to one witness, over http or https. Whatever a witness answers is attacker-controlled:
 * it costs a bounded time and memory, and counts only once its cosignature has verified under the key we know.
 */
import { Client } from 'undici'
import {
  formatAddCheckpoint,
  parseLatestSize,
  TLOG_SIZE_TYPE,
} from '@countersign/tlog/add-checkpoint'
import type { AddCheckpoint } from '@countersign/tlog/add-checkpoint'
import { TlogError } from '@countersign/tlog/errors'
import type { VerifierKey } from '@countersign/tlog/key'
import { parseNote, parseSignatureLines } from '@countersign/tlog/note'
import { findCosignature } from './cosigned-head.ts'
import type { Cosignature } from './cosigned-head.ts'
import { messageOf } from './errors.ts'
import { WITNESS_ANSWER_BYTES_MAX, WITNESS_DETAIL_MAX } from './limits.ts'

/** What came of one request. `again` is true when the connection had just closed, so that asking again makes sense. */
export type WitnessAnswer =
  | { readonly kind: 'cosigned'; readonly cosignature: Cosignature }
  | { readonly kind: 'latest'; readonly size: bigint }
  | { readonly kind: 'forked'; readonly detail: string }
  | { readonly kind: 'failed'; readonly detail: string; readonly again: boolean }

/** Where a witness is, and how it is known. */
export interface WitnessPlace {
  readonly key: VerifierKey
  /** Its submission prefix. */
  readonly url: string
  /** PEM of the authorities for https; the system's when absent. */
  readonly ca?: string | undefined
  readonly timeoutMs: number
}

/** What a connection that was kept too long fails with. */
const CLOSED_CODES: ReadonlySet<unknown> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'])

export class WitnessClient {
  readonly #place: WitnessPlace
  readonly #path: string
  readonly #client: Client

  constructor(place: WitnessPlace) {
    const url = new URL(place.url)
    this.#place = place
    this.#path = `${url.pathname.replace(/\/+$/, '')}/add-checkpoint`
    this.#client = new Client(url.origin, {
      headersTimeout: place.timeoutMs,
      bodyTimeout: place.timeoutMs,
      maxResponseSize: WITNESS_ANSWER_BYTES_MAX,
      connect: {
        timeout: place.timeoutMs,
        ...(place.ca === undefined ? {} : { ca: place.ca }),
      },
    })
  }

  /** Asks once; what goes wrong is a value. @param signal ends the request, its body included. */
  async addCheckpoint(request: AddCheckpoint, signal: AbortSignal): Promise<WitnessAnswer> {
    const answer = await this.#post(formatAddCheckpoint(request), signal)
    if ('kind' in answer) return answer
    try {
      return await this.#read(answer, request.checkpoint)
    } catch (error) {
      if (!(error instanceof TlogError)) throw error
      return failed(`it answered what cannot be used: ${error.message}`)
    }
  }

  async close(): Promise<void> {
    await this.#client.destroy()
  }

  async #read({ status, type, text }: Answered, checkpoint: string): Promise<WitnessAnswer> {
    if (status === 200) return this.#cosigned(text, parseNote(checkpoint).text)
    if (status === 409) {
      if (type !== TLOG_SIZE_TYPE)
        return failed(`it answered 409 with the content type ${quote(type)}`)
      return { kind: 'latest', size: parseLatestSize(text) }
    }
    const said = `it answered ${status} ${quote(text)}`
    return status === 422 ? { kind: 'forked', detail: said } : failed(said)
  }

  /** Lines of keys that nobody knows count for nothing; one of the witness's own must be there, and verify. */
  async #cosigned(answer: string, text: string): Promise<WitnessAnswer> {
    const cosignature = await findCosignature(text, parseSignatureLines(answer), this.#place.key)
    if (cosignature === undefined) return failed('it answered 200 without a cosignature of its key')
    if (cosignature.timestamp === 0n) return failed('it gave a cosignature without a time')
    return { kind: 'cosigned', cosignature }
  }

  async #post(body: string, signal: AbortSignal): Promise<Answered | WitnessAnswer> {
    try {
      const answer = await this.#client.request({
        method: 'POST',
        path: this.#path,
        headers: { 'content-type': 'text/plain; charset=utf-8' },
        body,
        signal,
      })
      const type = answer.headers['content-type']
      const text = await answer.body.text()
      return { status: answer.statusCode, type: typeof type === 'string' ? type : '', text }
    } catch (error) {
      if (signal.aborted) return failed(`it did not answer within ${this.#place.timeoutMs} ms`)
      return {
        kind: 'failed',
        detail: `it could not be asked: ${messageOf(error)}`.slice(0, WITNESS_DETAIL_MAX),
        again: CLOSED_CODES.has(Reflect.get(Object(error), 'code')),
      }
    }
  }
}

interface Answered {
  readonly status: number
  readonly type: string
  readonly text: string
}

function failed(detail: string): WitnessAnswer {
  return { kind: 'failed', detail: detail.slice(0, WITNESS_DETAIL_MAX), again: false }
}

/** Attacker-controlled: a few characters of it, and none that moves a cursor. */
function quote(text: string): string {
  return JSON.stringify(text.slice(0, WITNESS_DETAIL_MAX / 2))
}
