import { readArguments } from '../arguments.ts'
import { programVersion } from '../program.ts'
import { DONE, print, printJson } from '../terminal.ts'
import type { Command } from '../terminal.ts'

/** `countersign version`. */
export const version: Command = async (args, io) => {
  const { values } = readArguments(args, {
    command: 'version',
    options: { json: { type: 'boolean' } },
  })
  const countersign = programVersion()
  const node = process.versions.node
  if (values.json === true) printJson(io, { countersign, node })
  else print(io, `countersign ${countersign} (Node.js ${node})`)
  return DONE
}
