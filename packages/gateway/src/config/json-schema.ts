/** The schema as JSON Schema: for editors, for the reference, and to know which keys exist at a place. */
import { z } from 'zod'
import { quantityUnits } from './quantity.ts'
import { configSchema } from './schema.ts'

/** As much of JSON Schema as this schema uses. */
export interface SchemaNode {
  readonly description?: string
  readonly default?: unknown
  readonly type?: string
  readonly unit?: 'ms' | 'B'
  readonly enum?: readonly unknown[]
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly required?: readonly string[]
  readonly additionalProperties?: SchemaNode | boolean
  readonly items?: SchemaNode
  readonly anyOf?: readonly SchemaNode[]
}

/** JSON Schema (2020-12) of `countersign.yaml`, with a sentence and the default of every key. */
export function jsonSchema(): object {
  return z.toJSONSchema(configSchema, {
    io: 'input',
    override({ zodSchema, jsonSchema: node }) {
      // Quantities are written with a unit, so a default is shown as one would write it.
      const { def } = zodSchema['_zod']
      const unit = node['unit']
      if (def.type === 'default' && (unit === 'ms' || unit === 'B')) {
        node.default = quantityText(Number(Reflect.get(def, 'defaultValue')), unit)
      }
      // An absent block is the block with its defaults; `{}` says nothing.
      if (JSON.stringify(node.default) === '{}') delete node.default
    },
  })
}

/** `15000` ms as `15 s`: the largest unit that leaves a whole number. */
export function quantityText(amount: number, unit: 'ms' | 'B'): string {
  for (const [name, size] of Object.entries(quantityUnits[unit])) {
    if (amount < size || amount % size !== 0) continue
    return amount === size && name === 'days' ? '1 day' : `${amount / size} ${name}`
  }
  return `${amount} ${unit}`
}

/** Every shape the schema allows at a path, unions spread out. */
export function nodesAt(path: readonly PropertyKey[]): readonly SchemaNode[] {
  let nodes: readonly SchemaNode[] = spread(jsonSchema())
  for (const part of path) {
    nodes = nodes.flatMap((node) => {
      if (typeof part === 'number') return node.items === undefined ? [] : spread(node.items)
      const named = node.properties?.[String(part)]
      if (named !== undefined) return spread(named)
      return typeof node.additionalProperties === 'object' ? spread(node.additionalProperties) : []
    })
  }
  return nodes
}

/** The key names that are known at a path. */
export function knownKeys(path: readonly PropertyKey[]): readonly string[] {
  return nodesAt(path).flatMap((node) => Object.keys(node.properties ?? {}))
}

function spread(node: SchemaNode): readonly SchemaNode[] {
  return node.anyOf === undefined ? [node] : node.anyOf.flatMap(spread)
}
