/** What is fuzzed: a reader, what it may refuse with, and what it must give back of what it accepts. */
import { ok } from 'node:assert/strict'
import { readFileSync } from 'node:fs'

export interface Target {
  readonly name: string
  /** Inputs to start from, good and bad ones. */
  readonly seeds: () => Uint8Array[]
  /**
   * Reads one input.
   * @returns what was read, spelled again, where a format has one spelling; undefined where it has several, or when it was refused.
   * @throws {Error} only what `isRefusal` knows.
   */
  readonly read: (input: Buffer) => Uint8Array | undefined | Promise<Uint8Array | undefined>
  readonly isRefusal: (error: unknown) => boolean
}

/** Reads one input. @throws what is a finding: an error of no kind that was foreseen, or another spelling of what was accepted. */
export async function tryInput(target: Target, input: Buffer): Promise<'accepted' | 'refused'> {
  let again: Uint8Array | undefined
  try {
    const reading = target.read(Buffer.from(input))
    again = reading instanceof Promise ? await reading : reading
  } catch (error) {
    if (target.isRefusal(error)) return 'refused'
    throw error
  }
  ok(
    again === undefined || input.equals(again),
    `${target.name} accepted ${JSON.stringify(input.toString('latin1').slice(0, 500))}, and spells it ${JSON.stringify(
      Buffer.from(again ?? [])
        .toString('latin1')
        .slice(0, 500),
    )}`,
  )
  return 'accepted'
}

/** A target that reads text. Bytes that are no UTF-8 are replaced first, and what is read is held against the text. */
export function textTarget(
  name: string,
  parts: {
    readonly seeds: () => Uint8Array[]
    readonly read: (text: string) => string | undefined
    readonly isRefusal: Target['isRefusal']
  },
): Target {
  return {
    name,
    seeds: parts.seeds,
    isRefusal: parts.isRefusal,
    read: (input) => {
      const text = input.toString('utf8')
      const again = parts.read(text)
      if (again === undefined) return undefined
      ok(
        again === text,
        `${name} accepted ${JSON.stringify(text)}, and spells it ${JSON.stringify(again)}`,
      )
      return input
    },
  }
}

/** All strings under one of these members, anywhere in a file of vectors. */
export function vectors(
  file: string,
  members: readonly string[],
  encoding: 'utf8' | 'hex' | 'latin1' = 'utf8',
): Uint8Array[] {
  const path = new URL(`../../packages/${file}`, import.meta.url)
  const found: Uint8Array[] = []
  collect(JSON.parse(readFileSync(path, 'utf8')), members, (text) =>
    found.push(Buffer.from(text, encoding)),
  )
  ok(found.length > 0, `${file} has no ${members.join(' or ')}`)
  return found
}

function collect(value: unknown, members: readonly string[], keep: (text: string) => void): void {
  if (typeof value !== 'object' || value === null) return
  const inside: readonly [string, unknown][] = Object.entries(value)
  for (const [key, inner] of inside) {
    if (typeof inner === 'string' && members.includes(key)) keep(inner)
    else collect(inner, members, keep)
  }
}
