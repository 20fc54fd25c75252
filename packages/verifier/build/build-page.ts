/**
 * Builds `page/verify.html`: one file, with its script and style inside, named by their hashes in its own policy. The file is committed,
 * so that nobody who checks evidence needs a build; a test builds it again and compares. `node build/build-page.ts` writes it.
 */
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { build } from 'esbuild'

const root = resolve(import.meta.dirname, '../../..')
const page = join(import.meta.dirname, '../page')
const SPEC = join(root, 'docs/spec/bundle.md')

export const PAGE_FILE: string = join(page, 'verify.html')

/** The bytes of the page, from the sources as they are now. */
export async function buildPage(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(page, 'main.ts')],
    absWorkingDir: root,
    bundle: true,
    // Readable on purpose: whoever must trust it can read it.
    minify: false,
    format: 'iife',
    target: 'es2022',
    charset: 'utf8',
    legalComments: 'inline',
    conditions: ['@countersign/source'],
    write: false,
  })
  const script = `\n${outputFiles[0]?.text ?? ''}`
  const style = `\n${readFileSync(join(page, 'style.css'), 'utf8')}`
  // Functions, because `$` means something in a replacement text.
  return readFileSync(join(page, 'page.html'), 'utf8')
    .replace('SCRIPT-HASH', () => hashOf(script))
    .replace('STYLE-HASH', () => hashOf(style))
    .replace(/>\s*STYLE\s*</, () => `>${style}<`)
    .replace(/>\s*SCRIPT\s*</, () => `>${script}<`)
}

/** The page's SHA-256 (hexadecimal) in the specification, in place of the one before. */
export function withDigest(spec: string, html: string): string {
  const digest = createHash('sha256').update(html).digest('hex')
  return spec.replace(/^ {4}[0-9a-f]{64}$/m, `    ${digest}`)
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64')
}

if (import.meta.main) {
  const html = await buildPage()
  writeFileSync(PAGE_FILE, html)
  writeFileSync(SPEC, withDigest(readFileSync(SPEC, 'utf8'), html))
}
