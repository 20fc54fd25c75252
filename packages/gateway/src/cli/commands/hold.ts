import { resolve } from 'node:path'
import { loadConfig } from '../../config.ts'
import { systemClock } from '../../platform.ts'
import { readArguments, usageError } from '../arguments.ts'
import { checkSubject, reason } from './erase.ts'
import { openLifecycleWriter } from '../lifecycle-writer.ts'
import { DEFAULT_CONFIG, locateLog } from '../log-place.ts'
import { scanSubject } from '../subject-scan.ts'
import { ANSWER_IS_NO, DONE, escapeText, print, printJson } from '../terminal.ts'
import type { Command } from '../terminal.ts'

/** `countersign hold`: from now on the subject is not erased. */
export const hold: Command = holdCommand('hold')

/** `countersign release`: one hold ends; others may stand. */
export const release: Command = holdCommand('release')

/** Both are records and nothing else: whether a hold stands is read from the log, each time. */
function holdCommand(kind: 'hold' | 'release'): Command {
  return async (args, io) => {
    const { values } = readArguments(args, {
      command: kind,
      options: {
        config: { type: 'string', short: 'c', default: DEFAULT_CONFIG },
        subject: { type: 'string' },
        matter: { type: 'string' },
        basis: { type: 'string' },
        by: { type: 'string' },
        json: { type: 'boolean' },
      },
    })
    if (values.subject === undefined)
      throw usageError(kind, `could not ${kind}: it needs --subject`)
    const subject = checkSubject(values.subject, kind)
    const matter = reason(values.matter, { command: kind, name: '--matter' })
    const basis = reason(values.basis, { command: kind, name: '--basis' })
    const by = reason(values.by, { command: kind, name: '--by' })
    const loaded = await loadConfig(resolve(values.config), { files: 'unchecked' })
    const log = await locateLog({ config: values.config })
    const writer = await openLifecycleWriter(loaded, systemClock)
    try {
      await writer.ledger.publish()
      const scan = scanSubject({ log, subject })
      await scan.readOn()
      const standing = scan.holds.find((one) => one.matter === matter)
      if ((standing !== undefined) === (kind === 'hold')) {
        const said =
          standing === undefined ? 'stands none' : `stands one already (record ${standing.record})`
        if (values.json === true) printJson(io, { kind, subject, matter, done: false })
        else print(io, `nothing done: for ${escapeText(matter)} there ${said}`)
        return kind === 'hold' ? DONE : ANSWER_IS_NO
      }
      const record = await writer.append({ kind, subject, matter, basis, by })
      if (values.json === true) printJson(io, { kind, subject, matter, done: true, record })
      else
        print(
          io,
          `${kind === 'hold' ? 'held' : 'released'}: ${subject}, for ${escapeText(matter)} (record ${record})`,
        )
      return DONE
    } finally {
      await writer.close()
      log.source.close()
      log.addenda.close()
    }
  }
}
