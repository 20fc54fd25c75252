/** The command for a bundle: a file and keys in, a judgement on stdout. */
import { statSync } from 'node:fs'

import type { VerifierKey } from '@countersign/tlog/key'
import type { WitnessPolicy } from '@countersign/tlog/witness-policy'

import { fileAccess, nodeBundleCrypto } from './bundle-file.ts'
import { checkBundle } from './bundle/check.ts'
import { bundleSummary } from './bundle/summary.ts'
import type { CommandIo } from './command.ts'
import { openProgress } from './summary.ts'

export interface AskedBundle {
  readonly target: string
  readonly keys: readonly VerifierKey[]
  readonly policy: WitnessPolicy | undefined
  readonly json: boolean
}

/** Whether an argument names a bundle: a file, where a log is a folder or a URL. */
export function isBundle(target: string): boolean {
  return statSync(target, { throwIfNoEntry: false })?.isFile() ?? false
}

/** @returns the exit code: 0 verified, 1 not verified. @throws {VerifierError} when it cannot be read */
export async function verifyBundle(
  { target, keys, policy, json }: AskedBundle,
  io: CommandIo,
  program: string,
): Promise<0 | 1> {
  if (keys.length === 0 && policy === undefined)
    io.stderr(
      `${program}: warning: no --vkey was given: only the keys that came in the bundle are believed, anyone could have made it\n`,
    )
  const progress = openProgress(io)
  await using access = await fileAccess(target)
  const { report } = await checkBundle({
    access,
    crypto: nodeBundleCrypto,
    keys,
    policy,
    onProgress: progress.show,
  }).finally(progress.end)
  io.stdout(
    json ? `${JSON.stringify({ source: target, ...report }, null, 2)}\n` : bundleSummary(report),
  )
  return report.verified ? 0 : 1
}
