/** Questions as they are typed, in the filter language. What they mean is said by the API alone. */
import { isFieldName, transactionFields } from '@countersign/record/transaction'
import { nearest, usageError } from './arguments.ts'

/** Fields that may be named at once. */
const FIELDS_MAX = 100

/** A question within a time: words of the language behind what was typed, so that errors point where one typed. */
export function withTimes(
  question: string,
  { since, until }: { since?: string | undefined; until?: string | undefined },
): string {
  const words = Object.entries({ since, until }).flatMap(([word, value]) =>
    value === undefined ? [] : [`${word}:${quoted(value)}`],
  )
  if (words.length === 0) return question
  // Beside an OR a time would be about one side of it only, and that is refused.
  const whole = /\bOR\b/.test(question) ? `(${question})` : question
  return [whole, ...words].filter((part) => part !== '').join(' ')
}

/** A value as the language reads it: in quotes where it is not one plain word. */
export function quoted(value: string): string {
  if (/^[\w.:+-]+$/.test(value)) return value
  return `"${value.replaceAll(/["\\]/g, String.raw`\$&`)}"`
}

/** Names of fields, comma between them. @throws {CommandError} `USAGE`, with the nearest that there is */
export function readFields(text: string, command: string): string[] {
  const names = text.split(',').map((name) => name.trim())
  for (const name of names) {
    if (isFieldName(name)) continue
    const near = nearest(name, Object.keys(transactionFields))
    throw usageError(
      command,
      `could not run: '${name}' is not a field`,
      near === undefined ? undefined : `did you mean '${near}'?`,
    )
  }
  if (names.length > FIELDS_MAX)
    throw usageError(command, `could not run: over ${FIELDS_MAX} fields`)
  return names
}
