/** Pours encoded records into the ledger as fast as it takes them: what many gateways could send together, from one process. */
import { encodeDraft } from '@countersign/record/encode'
import { openIds } from '@countersign/record/id'
import { sha256 } from '../../platform.ts'
import { putEntry, sectionBytes } from '../entries.ts'
import { LedgerError } from '../errors.ts'
import { Link } from '../link.ts'
import { appendRoom } from '../protocol.ts'
import { makeDraft } from './setup.ts'

/** Records of one message, and messages under way at once. */
const MESSAGE_RECORDS = 256
const UNDER_WAY = 8

/**
 * Encodes beforehand, so that the time measured is the ledger's; every record is another, and sessions stay gapless.
 * @returns durable records per second.
 */
export async function pour({
  socketPath,
  entryBytes,
  seconds,
}: {
  socketPath: string
  entryBytes: number
  seconds: number
}): Promise<number> {
  const messages = Math.ceil((seconds * 40_000) / MESSAGE_RECORDS)
  const link = await Link.open(socketPath, openIds({ nowMs: () => Date.now() })())
  const { next } = encoder(entryBytes)
  const prepared = Array.from({ length: messages }, () => next(link.nextRequest()))
  const start = performance.now()
  let sent = 0
  const worker = async (): Promise<void> => {
    for (let message = prepared[sent++]; message !== undefined; message = prepared[sent++])
      await send(link, message)
  }
  await Promise.all(Array.from({ length: UNDER_WAY }, worker))
  const elapsed = performance.now() - start
  link.break(new LedgerError('LEDGER_CLOSED', 'done'))
  return (messages * MESSAGE_RECORDS * 1000) / elapsed
}

interface Prepared {
  readonly request: number
  readonly message: Buffer
}

function encoder(entryBytes: number): { next: (request: number) => Prepared } {
  const session = openIds({ nowMs: () => Date.now() })()
  let seq = 0
  let prev: string | undefined
  const bytes = Math.max(
    0,
    entryBytes - encodeDraft(makeDraft(), { session, seq }, sha256).entry.length - 60,
  )
  const one = (): Uint8Array => {
    const draft = makeDraft({ bytes })
    const { entry } = encodeDraft(
      draft,
      prev === undefined ? { session, seq } : { session, seq, prev },
      sha256,
    )
    seq += 1
    prev = draft.leaf.id
    return entry
  }
  return {
    next: (request) => {
      const entries = Array.from({ length: MESSAGE_RECORDS }, one)
      const entriesBytes = entries.reduce((sum, entry) => sum + sectionBytes(entry, []), 0)
      const room = appendRoom(request, {
        level: 0,
        count: entries.length,
        entriesBytes,
        addendaBytes: 0,
      })
      let at = room.entries
      for (const entry of entries) at = putEntry(room.message, at, entry)
      return { request, message: room.message }
    },
  }
}

async function send(link: Link, { request, message }: Prepared): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    link.send(message, request, { left: 1, resolve: () => resolve(), reject })
  })
}
