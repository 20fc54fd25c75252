import { usageError } from './arguments.ts'
import { CommandError } from './errors.ts'
import { isId } from '@countersign/record/id'
import { broken, findTransaction, readBundle, readLeaf } from '../follow.ts'
import type { Head, PublishedLog } from '../follow.ts'
import { say } from './terminal.ts'
import type { Io } from './terminal.ts'
import { TILE_WIDTH } from '@countersign/tlog/tile'

/**
 * The indexes of the records that a person means by an id or an index: all records of that transaction, in order.
 * @throws {CommandError} `USAGE`, `CANNOT_RUN` when there is none
 */
export async function choosePlaces(
  log: PublishedLog,
  head: Head,
  { command, wanted, io }: { command: string; wanted: string; io: Io },
): Promise<number[]> {
  const id = isId(wanted) ? wanted : await idAt(log, head, { command, wanted })
  const onMiss = (): void =>
    say(io, `countersign: ${id} is not where its time says: reading the whole log`)
  const places = await findTransaction(log, head, { id, onMiss })
  if (places.length === 0) {
    throw new CommandError(
      'CANNOT_RUN',
      `could not find ${id} among the ${head.size} records of ${log.source.name}`,
      {
        hint: 'a record is published within a second or so: is it just made, or of another log?',
      },
    )
  }
  return places.map(({ index }) => index)
}

async function idAt(
  log: PublishedLog,
  head: Head,
  { command, wanted }: { command: string; wanted: string },
): Promise<string> {
  if (!/^\d{1,15}$/.test(wanted)) {
    throw usageError(command, `could not run: '${wanted}' is neither an id nor an index`)
  }
  const index = Number(wanted)
  if (index >= head.size) {
    throw new CommandError(
      'CANNOT_RUN',
      `could not find record ${index}: the log has ${head.size}, counted from 0`,
    )
  }
  const entry = (await readBundle(log, head, Math.floor(index / TILE_WIDTH)))[index % TILE_WIDTH]
  if (entry === undefined) throw broken(`record ${index} is missing`)
  return readLeaf(entry, index).id
}
