import { writeFile } from 'node:fs/promises'
import { formatReceipt, RECEIPT_EXTENSION } from '@countersign/tlog/receipt'
import { readArguments } from '../arguments.ts'
import { choosePlaces } from '../choose.ts'
import { CommandError, messageOf } from '../errors.ts'
import { isId } from '@countersign/record/id'
import { locateLog } from '../log-place.ts'
import { readHead, readProven } from '../../follow.ts'
import { DONE, print, printJson, say } from '../terminal.ts'
import type { Command } from '../terminal.ts'

/** `countersign prove`. */
export const prove: Command = async (args, io) => {
  const { values, positionals } = readArguments(args, {
    command: 'prove',
    options: {
      out: { type: 'string', short: 'o' },
      'entry-out': { type: 'string' },
      config: { type: 'string', short: 'c' },
      vkey: { type: 'string' },
      json: { type: 'boolean' },
    },
    positionalsMin: 1,
    positionalsMax: 2,
    expects: 'the id of a transaction or the index of a record',
  })
  const [wanted = '', place] = positionals
  const log = await locateLog({ place, config: values.config, vkey: values.vkey })
  const head = await readHead(log)
  const places = await choosePlaces(log, head, { command: 'prove', wanted, io })
  // An index means that record and no other; an id means how the transaction ended.
  const index = isId(wanted) ? (places.at(-1) ?? 0) : Number(wanted)
  const { entry, proof } = await readProven(log, head, index)
  log.source.close()
  const proofFile = values.out ?? `${index}${RECEIPT_EXTENSION}`
  const entryFile = values['entry-out']
  await write(proofFile, formatReceipt({ index: BigInt(index), proof, checkpoint: head.note }))
  if (entryFile !== undefined) await write(entryFile, entry)
  if (values.json === true) {
    printJson(io, {
      index,
      size: head.size,
      proof: proofFile,
      ...(entryFile === undefined ? {} : { entry: entryFile }),
    })
    return DONE
  }
  print(io, proofFile)
  say(io, `countersign: proved that record ${index} is in the log of ${head.size} records`)
  say(io, 'countersign: anyone can check it, with the record and the key of the log:')
  say(io, `  countersign verify ${proofFile} --entry ${entryFile ?? 'ENTRY'} --vkey log.vkey`)
  return DONE
}

async function write(file: string, content: Uint8Array | string): Promise<void> {
  try {
    await writeFile(file, content)
  } catch (cause) {
    throw new CommandError('CANNOT_RUN', `could not write ${file}: ${messageOf(cause)}`, { cause })
  }
}
