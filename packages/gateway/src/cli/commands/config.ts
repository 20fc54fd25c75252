import { resolve } from 'node:path'
import { describeConfig, jsonSchema, loadConfig } from '../../config.ts'
import { compilePolicy } from '../../policy.ts'
import { readArguments, usageError } from '../arguments.ts'
import { DEFAULT_CONFIG } from '../log-place.ts'
import { DONE, print, printJson, say } from '../terminal.ts'
import type { Command, Io } from '../terminal.ts'

/** `countersign config check` and `countersign config schema`. */
export const configCommand: Command = async ([what, ...args], io) => {
  if (what === 'check') return await check(args, io)
  if (what === 'schema') return schema(args, io)
  throw usageError('config', "could not run: it is 'config check' or 'config schema'")
}

async function check(args: readonly string[], io: Io): Promise<number> {
  const { values } = readArguments(args, {
    command: 'config',
    options: {
      config: { type: 'string', short: 'c', default: DEFAULT_CONFIG },
      json: { type: 'boolean' },
    },
  })
  const loaded = await loadConfig(resolve(values.config))
  // What the file says may still contradict itself: the same check as at the start of the gateway.
  const policy = compilePolicy(loaded.config)
  if (values.json === true) {
    const { config, sha256, quorum } = loaded
    printJson(io, {
      config,
      sha256,
      policy: policy.hash,
      ...(quorum === undefined ? {} : { quorum }),
    })
    return DONE
  }
  io.stdout.write(describeConfig(loaded))
  if (loaded.quorum !== undefined)
    say(io, `countersign: a record is witnessed (D2) when cosigned by ${loaded.quorum}`)
  say(
    io,
    `countersign: ${values.config} is good (sha256 ${loaded.sha256.slice(0, 12)}, policy ${policy.hash.slice(0, 12)})`,
  )
  return DONE
}

function schema(args: readonly string[], io: Io): number {
  readArguments(args, { command: 'config', options: {} })
  print(io, JSON.stringify(jsonSchema(), undefined, 2))
  return DONE
}
