/** Reads the policy that `witnesses` names, so that a slip in it is found with everything else. */
import { readFile } from 'node:fs/promises'
import { TlogError } from '@countersign/tlog/errors'
import {
  askableWitnesses,
  describeQuorum,
  parsePolicy,
  QUORUM_NONE,
} from '@countersign/tlog/witness-policy'
import type { WitnessPolicy } from '@countersign/tlog/witness-policy'
import { sha256 } from '../cryptography.ts'
import type { Finding } from './cross-check.ts'
import type { Config } from './schema.ts'

/** What was found in the file: the quorum in words, when it can be used. */
export interface WitnessesFound {
  readonly quorum?: string
  readonly findings: readonly Finding[]
}

/** @param resolve from a path as written to one that can be opened. A file that is not there is no finding of this. */
export async function checkWitnesses(
  config: Config,
  resolve: (relative: string) => string,
): Promise<WitnessesFound> {
  if (config.witnesses === undefined) return { findings: [] }
  const file = config.witnesses.policy
  const bytes = await readFile(resolve(file)).catch(() => undefined)
  if (bytes === undefined) return { findings: [] }
  const found = (level: Finding['level'], message: string): Finding => ({
    level,
    path: ['witnesses', 'policy'],
    message: `${file}: ${message}`,
  })
  try {
    const policy = parsePolicy(bytes, sha256)
    askableWitnesses(policy)
    const findings = doubtsOf(policy, config).map(({ level, message }) => found(level, message))
    return { quorum: describeQuorum(policy), findings }
  } catch (error) {
    if (!(error instanceof TlogError)) throw error
    return { findings: [found('error', error.message)] }
  }
}

function doubtsOf(
  policy: WitnessPolicy,
  { origin, services }: Config,
): Pick<Finding, 'level' | 'message'>[] {
  const doubts: Pick<Finding, 'level' | 'message'>[] = []
  const demands = Object.values(services).flatMap(({ routes, egress }) => [
    ...routes.map((route) => route.acknowledge),
    ...(egress === undefined ? [] : [egress.acknowledge]),
  ])
  if (policy.quorum === QUORUM_NONE) {
    doubts.push(
      demands.includes('D2')
        ? { level: 'error', message: 'its quorum is none, so D2 would say nothing' }
        : { level: 'warning', message: 'its quorum is none: no cosignature is waited for' },
    )
  }
  if (policy.logs.length > 0 && !policy.logs.some(({ key }) => key.name === origin))
    doubts.push({ level: 'warning', message: `its log lines do not name ${origin}` })
  return doubts
}
