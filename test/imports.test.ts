import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readExports, readImports, withoutComments } from './imports.ts'

const specifiers = (source: string): string[] =>
  readImports(source).map(({ specifier }) => specifier)

test('every form of import is seen', () => {
  const forms: readonly [string, string][] = [
    [`import { a } from './a.ts'`, './a.ts'],
    [`import {\n  a,\n  type B,\n} from "./a.ts"`, './a.ts'],
    [`import * as all from './a.ts'`, './a.ts'],
    [`import first, { second } from './a.ts'`, './a.ts'],
    [`import './a.ts'`, './a.ts'],
    [`export { a } from './a.ts'`, './a.ts'],
    [`export * from './a.ts'`, './a.ts'],
    [`export type { A } from './a.ts'`, './a.ts'],
    [`const later = await import('./a.ts')`, './a.ts'],
    [`let held: import('./a.ts').A`, './a.ts'],
    [`new Worker(new URL('./a.ts', import.meta.url))`, './a.ts'],
    [`const old = require('./a.cjs')`, './a.cjs'],
    [`import data from './a.json' with { type: 'json' }`, './a.json'],
  ]
  for (const [source, expected] of forms) assert.deepEqual(specifiers(source), [expected], source)
})

test('imports next to each other are told apart', () => {
  const source = `import './a.ts'\nimport { b } from './b.ts'\nexport { c }\nimport { d } from './d.ts'\n`
  assert.deepEqual(specifiers(source).toSorted(), ['./a.ts', './b.ts', './d.ts'])
})

test('an import that is erased is known as such, and one named type is not', () => {
  assert.equal(readImports(`import type { A } from './a.ts'`)[0]?.typeOnly, true)
  assert.equal(readImports(`export type { A } from './a.ts'`)[0]?.typeOnly, true)
  assert.equal(readImports(`import { a } from './a.ts'`)[0]?.typeOnly, false)
  assert.equal(readImports(`import { type A } from './a.ts'`)[0]?.typeOnly, false)
  assert.equal(readImports(`import type from './a.ts'`)[0]?.typeOnly, false)
})

test('an import in a comment is none, and a slash in a string begins no comment', () => {
  assert.deepEqual(specifiers(`// import './a.ts'\n/*\nimport './b.ts'\n*/\n`), [])
  assert.deepEqual(specifiers(`const url = 'http://x'; await import('./a.ts')`), ['./a.ts'])
  assert.equal(withoutComments(`a /* b */ 'c // d' // e`).trimEnd(), `a         'c // d'`)
})

test('exports are counted by name, types apart', () => {
  const source = `export { a, b as c, type I } from './x.ts'\nexport type { D } from './x.ts'\nexport interface E {}\nexport async function f() {}\nexport class G {}\nexport const h = 1\nconst hidden = 2\n`
  const names = (typeOnly: boolean): string[] =>
    readExports(source)
      .filter((one) => one.typeOnly === typeOnly)
      .map(({ name }) => name)
      .toSorted()
  assert.deepEqual(names(false), ['G', 'a', 'c', 'f', 'h'])
  assert.deepEqual(names(true), ['D', 'E', 'I'])
  assert.deepEqual(readExports(`export * from './x.ts'`), [{ name: '*', typeOnly: false }])
})
