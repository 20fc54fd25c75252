/** The block `retention` as the rules by which content is kept. */
import type { RetentionRules } from '@countersign/record/retention'
import type { Config } from './schema.ts'

const DAY_MS = 86_400_000

/** The rules in days; without any, everything is kept for ever. */
export function retentionRules({ retention }: Pick<Config, 'retention'>): RetentionRules {
  const { default: always, labels, services } = retention
  return {
    ...(always === undefined ? {} : { default: always / DAY_MS }),
    labels: inDays(labels),
    services: inDays(services),
  }
}

function inDays(rules: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(rules).map(([name, ms]) => [name, ms / DAY_MS]))
}
