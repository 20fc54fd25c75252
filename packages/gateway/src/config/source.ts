/** The text of the file as a tree that remembers where each value stands. */
import { LineCounter, isMap, isNode, isPair, isScalar, isSeq, parseDocument, visit } from 'yaml'
import type { Document, Node } from 'yaml'
import type { ConfigProblem } from './errors.ts'

/** Bytes of a configuration file. */
export const fileBytesMax: number = 1024 * 1024
/** Uses of anchors: enough for shared lists, too few for a bomb. */
export const aliasesMax = 64

const tooDeep = 'it is nested too deeply'

export interface Source {
  /** Plain data, as JSON would hold it. */
  readonly value: unknown
  /** Where the value at a path stands; for a path that is not there, its nearest ancestor. */
  locate(path: readonly PropertyKey[]): { line: number; column: number }
  /** Where the last key of a path stands. */
  locateKey(path: readonly PropertyKey[]): { line: number; column: number }
}

/** Reads YAML: no duplicate keys, no alias bombs, no custom tags. What is wrong comes back as problems. */
export function readSource(text: string): Source | { readonly problems: readonly ConfigProblem[] } {
  const lines = new LineCounter()
  const place = (offset: number): { line: number; column: number } => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
  try {
    const document = parseDocument(text, {
      lineCounter: lines,
      uniqueKeys: true,
      strict: true,
      prettyErrors: false,
    })
    const wrong = [...document.errors, ...document.warnings]
    if (wrong.length > 0) {
      return {
        problems: wrong.map(({ pos, message }) => ({
          ...place(pos[0]),
          key: '',
          message: plain(message),
        })),
      }
    }
    const aliases = countAliases(document)
    if (aliases > aliasesMax)
      return { problems: [whole(`${aliases} aliases are too many; the limit is ${aliasesMax}`)] }
    const value: unknown = document.toJS({ maxAliasCount: aliasesMax })
    return {
      value,
      locate: (path) => place(startOf(walk(document, path).node)),
      locateKey: (path) => {
        const { node, key } = walk(document, path)
        return place(startOf(key ?? node))
      },
    }
  } catch (error) {
    // The parser is recursive, and refuses aliases that expand too far by throwing.
    const why = error instanceof RangeError ? tooDeep : 'its aliases expand too far'
    if (error instanceof RangeError || error instanceof ReferenceError)
      return { problems: [whole(why)] }
    throw error
  }
}

function countAliases(document: Document): number {
  let count = 0
  visit(document, {
    Alias() {
      count++
    },
  })
  return count
}

function walk(
  document: Document,
  path: readonly PropertyKey[],
): { node: unknown; key: Node | undefined } {
  let node: unknown = document.contents
  let key: Node | undefined
  for (const part of path) {
    key = undefined
    const next = child(node, part)
    if (next === undefined) break
    key = next.key
    node = next.node ?? node
  }
  return { node, key }
}

function child(
  node: unknown,
  part: PropertyKey,
): { node: unknown; key: Node | undefined } | undefined {
  if (isSeq(node) && typeof part === 'number') {
    const item = node.items[part]
    return item === undefined ? undefined : { node: item, key: undefined }
  }
  if (!isMap(node)) return undefined
  const pair = node.items.find(
    (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(part),
  )
  if (pair === undefined) return undefined
  return { node: pair.value, key: isNode(pair.key) ? pair.key : undefined }
}

function startOf(node: unknown): number {
  return isNode(node) ? (node.range?.[0] ?? 0) : 0
}

/** The parser is recursive, and reports its own exhausted stack as an error of the text. */
function plain(message: string): string {
  return message.includes('call stack') ? tooDeep : message
}

function whole(message: string): ConfigProblem {
  return { line: 1, column: 1, key: '', message }
}
