/** Waiting for what is on its way, without a clock. */

/** Lets events that are on their way arrive. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Turns until there is something. @returns it. */
export async function until<T>(read: () => T | undefined | false): Promise<T> {
  for (;;) {
    const value = read()
    if (value !== undefined && value !== false) return value
    await turn()
  }
}
