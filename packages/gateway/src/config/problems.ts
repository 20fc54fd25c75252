/** What the schema refuses, said so that a person can mend it: where, what was found, what was expected. */
import type { z } from 'zod'
import { keyText } from './errors.ts'
import type { ConfigProblem } from './errors.ts'
import { knownKeys } from './json-schema.ts'
import { didYouMean } from '../platform.ts'
import type { Source } from './source.ts'

type Issue = z.core.$ZodIssue

const typeNames: Readonly<Record<string, string>> = {
  object: 'a map',
  array: 'a list',
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  record: 'a map',
}

/** One problem for each thing that is wrong, in the order of the file. */
export function problemsOf(issues: readonly Issue[], source: Source): ConfigProblem[] {
  const problems = issues.flatMap((issue) => problemsOfIssue(issue, [], source))
  return problems.toSorted((a, b) => a.line - b.line || a.column - b.column)
}

function problemsOfIssue(
  issue: Issue,
  parent: readonly PropertyKey[],
  source: Source,
): ConfigProblem[] {
  const path = [...parent, ...issue.path]
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((name) => unknownKey(name, path, source))
  if (issue.code === 'invalid_union') return problemsOfUnion(issue.errors, path, source)
  const isKey = issue.code === 'invalid_key'
  const place = isKey ? source.locateKey(path) : source.locate(path)
  return [{ ...place, key: keyText(path), message: messageOf(issue, valueAt(source.value, path)) }]
}

function messageOf(issue: Issue, value: unknown): string {
  const found = foundText(value)
  if (issue.code === 'invalid_type') {
    const expected = typeNames[issue.expected] ?? issue.expected
    return found === 'nothing'
      ? `missing; expected ${expected}`
      : `expected ${expected}, found ${found}`
  }
  if (issue.code === 'invalid_value') {
    const values = issue.values.map(String)
    return `expected ${values.join(', ')}; found ${found}${didYouMean(String(value), values)}`
  }
  if (issue.code === 'invalid_key') return issue.issues[0]?.message ?? issue.message
  return `${issue.message}; found ${found}`
}

function unknownKey(name: string, path: readonly PropertyKey[], source: Source): ConfigProblem {
  const here = [...path, name]
  const known = knownKeys(path)
  const hint = didYouMean(name, known)
  const message = `unknown key${hint === '' ? `; known here: ${[...new Set(known)].join(', ')}` : hint}`
  return { ...source.locateKey(here), key: keyText(here), message }
}

/** A union fails in every branch: what helps is the branch that was nearly right. */
function problemsOfUnion(
  branches: readonly (readonly Issue[])[],
  path: readonly PropertyKey[],
  source: Source,
): ConfigProblem[] {
  const fitting = branches.filter(
    (issues) => !issues.some((issue) => issue.code === 'invalid_type' && issue.path.length === 0),
  )
  if (fitting.length === 0) {
    const expected = new Set(
      branches.flatMap((issues) =>
        issues.map((issue) =>
          issue.code === 'invalid_type'
            ? (typeNames[issue.expected] ?? issue.expected)
            : issue.message,
        ),
      ),
    )
    const found = foundText(valueAt(source.value, path))
    return [
      {
        ...source.locate(path),
        key: keyText(path),
        message: `expected ${[...expected].join(' or ')}, found ${found}`,
      },
    ]
  }
  const ranked = fitting.toSorted((a, b) => weight(a) - weight(b))
  const [best = [], second] = ranked
  // When two shapes are equally near, only what is wrong in both can be said for sure.
  const isTie = second !== undefined && weight(second) === weight(best)
  const told = isTie ? best.filter((issue) => issue.code === 'unrecognized_keys') : best
  return (told.length === 0 ? best : told).flatMap((issue) => problemsOfIssue(issue, path, source))
}

function weight(issues: readonly Issue[]): number {
  return issues.reduce(
    (sum, issue) => sum + (issue.code === 'unrecognized_keys' ? issue.keys.length : 1),
    0,
  )
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, part) =>
      typeof inner === 'object' && inner !== null ? Reflect.get(inner, part) : undefined,
    value,
  )
}

/** The file holds paths, not secrets, so what was found may be shown; long values are cut. */
function foundText(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a map'
  const text = JSON.stringify(value) ?? ''
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}
