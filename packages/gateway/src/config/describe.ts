/** What is in force, defaults included, as YAML that could be loaded again; secrets are the paths they were. */
import { stringify } from 'yaml'
import { problemLine } from './errors.ts'
import { nodesAt, quantityText } from './json-schema.ts'
import type { LoadedConfig } from './load.ts'

/** For `countersign config check`: the file, its hash, its warnings, and every key with its value. */
export function describeConfig(loaded: LoadedConfig): string {
  const head = [
    `# ${loaded.path}`,
    `# SHA-256 ${loaded.sha256}`,
    ...(loaded.quorum === undefined ? [] : [`# D2 when cosigned by ${loaded.quorum}`]),
    ...loaded.warnings.map((problem) => `# warning: ${problemLine(loaded.path, problem)}`),
  ]
  return `${head.join('\n')}\n${stringify(withUnits(loaded.config, []), { lineWidth: 0 })}`
}

function withUnits(value: unknown, path: readonly PropertyKey[]): unknown {
  if (Array.isArray(value)) return value.map((item, at) => withUnits(item, [...path, at]))
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, member]) => [key, withUnits(member, [...path, key])]),
    )
  }
  if (typeof value !== 'number') return value
  const unit = nodesAt(path).find((node) => node.unit !== undefined)?.unit
  return unit === undefined ? value : quantityText(value, unit)
}
