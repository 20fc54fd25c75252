import { readArguments, usageError } from '../arguments.ts'
import { chosenRecords } from './export.ts'
import { runExport } from '../export-run.ts'
import { isUrl } from '../../follow.ts'
import { reasonGiven } from '../reason.ts'
import type { Command } from '../terminal.ts'

const COMMAND = 'disclose'

/** `countersign disclose`: records of one case, opened; always on record. */
export const disclose: Command = async (args, io) => {
  const { values, positionals } = readArguments(args, {
    command: COMMAND,
    options: {
      out: { type: 'string', short: 'o' },
      record: { type: 'string', multiple: true },
      matter: { type: 'string' },
      by: { type: 'string' },
      purpose: { type: 'string' },
      policy: { type: 'string' },
      config: { type: 'string', short: 'c' },
      vkey: { type: 'string' },
      json: { type: 'boolean' },
    },
    positionalsMax: 1,
  })
  const [place] = positionals
  const { out, record: records } = values
  if (out === undefined) throw usageError(COMMAND, 'could not disclose: -o names the file')
  if (records === undefined)
    throw usageError(COMMAND, 'could not disclose: --record names what is to be opened')
  if (place !== undefined && isUrl(place))
    throw usageError(
      COMMAND,
      'could not disclose: what opens records is not in a published log',
      'run it where the data folder is',
    )
  const matter = reasonGiven(values.matter, { command: COMMAND, name: '--matter' })
  const wanted = {
    place,
    config: values.config,
    vkey: values.vkey,
    target: out,
    by: reasonGiven(values.by, { command: COMMAND, name: '--by' }),
    purpose: reasonGiven(values.purpose, { command: COMMAND, name: '--purpose' }),
    matter,
    opening: 'chosen' as const,
    policy: values.policy,
    unrecorded: false,
    json: values.json === true,
  }
  return await runExport(wanted, chosenRecords(COMMAND, records, io), io)
}
