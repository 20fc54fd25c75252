import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sha256Hex } from '../cryptography.ts'

/** What program this is: its version, and a SHA-256 (hex) over the paths and contents of its files, in order of path. */
export function program(): { version: string; binary: string } {
  const folder = fileURLToPath(new URL('../', import.meta.url))
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(({ name }) => /\.[jt]s$/.test(name) && !name.includes('.test.'))
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted()
  const lines = files.map(
    (file) => `${sha256Hex(readFileSync(file))}  ${file.slice(folder.length)}\n`,
  )
  return { version: programVersion(), binary: sha256Hex(lines.join('')) }
}

/** The version in the package's manifest. */
export function programVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  const manifest: unknown = JSON.parse(text)
  const known = typeof manifest === 'object' && manifest !== null && 'version' in manifest
  return known && typeof manifest.version === 'string' ? manifest.version : 'unknown'
}
