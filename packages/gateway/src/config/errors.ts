/** Where the file is wrong, for people and for editors. `line` and `column` start at 1. */
export interface ConfigProblem {
  readonly line: number
  readonly column: number
  /** The key, for example `services.orders.routes[0].match`; empty for the file as a whole. */
  readonly key: string
  /** What was found, what was expected, and the nearest known name. */
  readonly message: string
}

export type ConfigErrorCode = 'CONFIG_UNREADABLE' | 'CONFIG_SYNTAX' | 'CONFIG_INVALID'

/** The one error of this room. The message lists every problem, one on a line: `file:line:column: key: message`. */
export class ConfigError extends Error {
  override readonly name: string = 'ConfigError'
  readonly code: ConfigErrorCode
  readonly problems: readonly ConfigProblem[]

  constructor(
    code: ConfigErrorCode,
    message: string,
    options: { cause?: unknown; problems?: readonly ConfigProblem[] } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.problems = options.problems ?? []
  }
}

/** `file:line:column: key: message` */
export function problemLine(file: string, { line, column, key, message }: ConfigProblem): string {
  return `${file}:${line}:${column}: ${key === '' ? '' : `${key}: `}${message}`
}

/** `['services', 'orders', 'routes', 0]` as people write it: `services.orders.routes[0]`. */
export function keyText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    return text === '' ? String(part) : `${text}.${String(part)}`
  }, '')
}
