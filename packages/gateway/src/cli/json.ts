/** Reads JSON that others wrote, without believing its shape. */

/** The value in a text; nothing when it is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    // Whoever reads it says what should have been there.
    return undefined
  }
}

/** A member of an object that is its own; nothing when there is none, or no object. */
export function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  return Object.getOwnPropertyDescriptor(value, name)?.value as unknown
}

/** A member that is a text and not empty. */
export function textIn(value: unknown, name: string): string | undefined {
  const member = memberOf(value, name)
  return typeof member === 'string' && member !== '' ? member : undefined
}

/** A member that is a whole number from 0. */
export function countIn(value: unknown, name: string): number | undefined {
  const member = memberOf(value, name)
  return typeof member === 'number' && Number.isSafeInteger(member) && member >= 0
    ? member
    : undefined
}
