/** Values on their way into a statement: bound, and never part of its text. */

/** Collects the parameters of one statement. */
export interface Bound {
  readonly params: Readonly<Record<string, unknown>>
  /** @returns the placeholder that stands for the value, such as `{p0:String}` */
  bind(type: BoundType, value: unknown): string
}

export type BoundType =
  | 'String'
  | 'Int64'
  | 'Float64'
  | 'Bool'
  | 'Array(String)'
  | 'Array(Int64)'
  | 'Array(Bool)'

export function openBound(): Bound {
  const params: Record<string, unknown> = {}
  let count = 0
  return {
    params,
    bind(type, value) {
      const name = `p${count++}`
      params[name] = value
      return `{${name}:${type}}`
    },
  }
}
