import { parseArgs } from 'node:util'
import type { ParseArgsOptionsConfig } from 'node:util'
import { codeOf, CommandError, messageOf } from './errors.ts'

/** What a command takes: its options, and how many arguments without a name. */
export interface Shape<Options extends ParseArgsOptionsConfig> {
  /** The command as typed after `countersign`: `keys create`. */
  readonly command: string
  readonly options: Options
  readonly positionalsMin?: number
  readonly positionalsMax?: number
  /** What the arguments without a name are, for the message when they are missing. */
  readonly expects?: string
}

type Parsed<Options extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ options: Options; allowPositionals: true; strict: true }>
>

/**
 * Reads the arguments of one command.
 * @throws {CommandError} `USAGE`: an unknown option (with the nearest known one), a missing value, too few or too many arguments
 */
export function readArguments<const Options extends ParseArgsOptionsConfig>(
  args: readonly string[],
  shape: Shape<Options>,
): Pick<Parsed<Options>, 'values' | 'positionals'> {
  const parsed = parse(args, shape)
  const { positionalsMin = 0, positionalsMax = positionalsMin, expects = 'an argument' } = shape
  if (parsed.positionals.length < positionalsMin) {
    throw usageError(shape.command, `could not run: ${shape.command} needs ${expects}`)
  }
  const surplus = parsed.positionals[positionalsMax]
  if (surplus !== undefined) {
    throw usageError(shape.command, `could not run: '${surplus}' is one argument too many`)
  }
  return parsed
}

/** The usage error of a command, with the way to its help. */
export function usageError(command: string, message: string, hint?: string): CommandError {
  return new CommandError('USAGE', message, { hint: hint ?? `see 'countersign ${command} --help'` })
}

/** The known word nearest to what was typed, when it is near enough to be meant: at most two letters off. */
export function nearest(typed: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  let bestDistance = 3
  for (const word of known) {
    const distance = editDistance(typed, word)
    if (distance < bestDistance && distance < word.length) [best, bestDistance] = [word, distance]
  }
  return best
}

/** Reads a whole number. @throws {CommandError} `USAGE` */
export function wholeNumber(text: string, option: { command: string; name: string }): number {
  const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (Number.isNaN(number)) {
    throw usageError(
      option.command,
      `could not read ${option.name}: '${text}' is not a whole number`,
    )
  }
  return number
}

function parse<Options extends ParseArgsOptionsConfig>(
  args: readonly string[],
  shape: Shape<Options>,
): Parsed<Options> {
  try {
    return parseArgs({
      args: [...args],
      options: shape.options,
      allowPositionals: true,
      strict: true,
    })
  } catch (error) {
    const code = codeOf(error)
    if (code === undefined || !code.startsWith('ERR_PARSE_ARGS')) throw error
    throw explain(error, shape, args)
  }
}

/** What denies the first word of a question, and is no option. */
const DENYING = /^-[A-Za-z_][\w.]*:/

function explain(
  error: unknown,
  shape: Shape<ParseArgsOptionsConfig>,
  args: readonly string[],
): CommandError {
  const message = messageOf(error)
  const unknown = /Unknown option '(-{1,2}[^']*)'/.exec(message)?.[1]
  if (unknown !== undefined) {
    const near = nearest(unknown.replace(/^-+/, ''), Object.keys(shape.options))
    const hint = args.some((arg) => DENYING.test(arg))
      ? "a question that begins with a dash stands behind '--', or begins with NOT"
      : near === undefined
        ? undefined
        : `did you mean '--${near}'?`
    return usageError(shape.command, `could not run: '${unknown}' is not an option`, hint)
  }
  const valueless = /Option '(?:-\w, )?(-{1,2}[^ ']*)[^']*' argument missing/.exec(message)?.[1]
  if (valueless !== undefined)
    return usageError(shape.command, `could not run: ${valueless} needs a value`)
  // Node's own sentence, without its capital and its full stop.
  const [first = message] = message.split('\n')
  const plain = first.charAt(0).toLowerCase() + first.slice(1).replace(/\.$/, '')
  return usageError(shape.command, `could not run: ${plain}`)
}

/** Levenshtein's: letters to put in, take out or exchange. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (const [row, letter] of Array.from(a).entries()) {
    const current = [row + 1]
    for (const [at, other] of Array.from(b).entries()) {
      const exchanged = (previous[at] ?? 0) + (letter === other ? 0 : 1)
      current.push(Math.min(exchanged, (previous[at + 1] ?? 0) + 1, (current[at] ?? 0) + 1))
    }
    previous = current
  }
  return previous.at(-1) ?? 0
}
