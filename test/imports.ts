/** Reads which modules a source file names. TypeScript 7 has no JavaScript API, and our files are formatted: patterns do. */

export interface Import {
  /** As written: './frame.ts', 'node:fs', '@countersign/tlog/hash'. */
  readonly specifier: string
  /** Erased before anything runs: `import type`, `export type ... from`. */
  readonly typeOnly: boolean
}

// At the start of a line, as oxfmt leaves them; the words between must not hold a quote or end a statement.
const statement =
  /^[ \t]*(import|export)\b(?<words>[^'"`;()]*?)\bfrom\s*(?<quote>['"])(?<specifier>[^'"\n]+)\k<quote>/gm
const bare = /^[ \t]*import\s*(?<quote>['"])(?<specifier>[^'"\n]+)\k<quote>/gm
const dynamic = /\bimport\s*\(\s*(?<quote>['"`])(?<specifier>[^'"`\n]+)\k<quote>/g
const worker =
  /\bnew URL\(\s*(?<quote>['"])(?<specifier>[^'"\n]+\.[cm]?[jt]s)\k<quote>\s*,\s*import\.meta\.url/g
const required = /\brequire\s*\(\s*(?<quote>['"])(?<specifier>[^'"\n]+)\k<quote>/g

/** Every module named by this text, in no particular order. */
export function readImports(source: string): Import[] {
  const text = withoutComments(source)
  const found: Import[] = []
  for (const pattern of [statement, bare, dynamic, worker, required]) {
    for (const { groups } of text.matchAll(pattern)) {
      const typeOnly = /^\s*type\s+[\w{*$]/.test(groups?.['words'] ?? '')
      found.push({ specifier: groups?.['specifier'] ?? '', typeOnly })
    }
  }
  return found
}

export interface Export {
  readonly name: string
  readonly typeOnly: boolean
}

/** The names that a module gives away. `export *` counts as one name, '*'. */
export function readExports(source: string): Export[] {
  const text = withoutComments(source)
  const found: Export[] = []
  for (const { groups } of text.matchAll(/^export\s+(?<type>type\s+)?\{(?<list>[^}]*)\}/gm)) {
    for (const entry of (groups?.['list'] ?? '').split(',')) {
      const words = entry.trim().split(/\s+/)
      const name = words.at(-1) ?? ''
      const typeOnly = groups?.['type'] !== undefined || words[0] === 'type'
      if (name !== '') found.push({ name, typeOnly })
    }
  }
  const declared =
    /^export\s+(?:declare\s+|abstract\s+|async\s+)*(?<kind>function\*?|class|const|let|interface|type)\s+(?<name>[\w$]+)/gm
  for (const { groups } of text.matchAll(declared)) {
    const typeOnly = groups?.['kind'] === 'interface' || groups?.['kind'] === 'type'
    found.push({ name: groups?.['name'] ?? '', typeOnly })
  }
  for (const _ of text.matchAll(/^export\s+(?:type\s+)?\*/gm))
    found.push({ name: '*', typeOnly: false })
  return found
}

/**
 * The text with its comments blanked. Strings are left alone, so that 'https://...' stays; a regular expression that
 * holds a quote is read as a string to the end of its line at most.
 */
export function withoutComments(source: string): string {
  const token =
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g
  return source.replaceAll(token, (found) =>
    found.startsWith('/*') || found.startsWith('//') ? found.replaceAll(/[^\n]/g, ' ') : found,
  )
}
