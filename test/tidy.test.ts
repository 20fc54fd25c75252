/** The map as a test: who may import whom, the door rule, names and words. See map.ts for the map itself. */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { test } from 'node:test'
import { readExports, readImports, withoutComments } from './imports.ts'
import { besides, dependencyPlaces, mayImport, packages, rooms, sharedTypes, words } from './map.ts'

const root = resolve(import.meta.dirname, '..')
const sourceFilesMin = 40
const doorExportsMax = 12
const doorTypesMax = 16

/** Folders that hold nothing of ours. */
const foreign = new Set(['node_modules', 'dist', '.git', '.scratch', 'countersign-data'])

function walk(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (!entry.isDirectory()) return [path.split(sep).join('/')]
    return foreign.has(entry.name) ? [] : walk(path)
  })
}

const files = walk('.')
const sources = files.filter(
  (file) => /\.[cm]?[jt]s$/.test(file) && !file.startsWith('test/canary/'),
)
const texts = new Map(sources.map((file) => [file, readFileSync(join(root, file), 'utf8')]))
const text = (file: string): string => texts.get(file) ?? ''
const isTest = (file: string): boolean =>
  /\.test(ing)?\.ts$|\/testing\/|\/bench\//.test(file) || /^(test|bench)\//.test(file)

/** The files a package is made of, with their paths inside its `src`. Tests may import more than the product may. */
function product(name: string): { file: string; inside: string }[] {
  const prefix = `packages/${name}/src/`
  return sources
    .filter((file) => file.startsWith(prefix) && !isTest(file))
    .map((file) => ({ file, inside: file.slice(prefix.length) }))
}

/** 'ledger/wal/frame.ts' and 'ledger.ts' are both in 'ledger'. */
const placeOf = (inside: string): string => inside.split('/')[0]?.replace(/\.ts$/, '') ?? ''
const packageOf = (specifier: string): string =>
  specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')

function none(found: readonly string[], rule: string): void {
  assert.deepEqual(found, [], rule)
}

test('every source file is seen', () => {
  assert.ok(
    sources.length >= sourceFilesMin,
    `saw ${sources.length} files: a check that sees nothing passes`,
  )
  for (const name of Object.keys(packages))
    assert.ok(product(name).length > 0, `nothing in ${name}`)
  for (const file of sources.filter((one) => /^import\b/m.test(withoutComments(text(one))))) {
    assert.ok(readImports(text(file)).length > 0, `${file} imports, and no import was read`)
  }
})

test('every package on disk is on the map', () => {
  const onDisk = readdirSync(join(root, 'packages'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
  assert.deepEqual(onDisk.toSorted(), Object.keys(packages).toSorted())
})

test('the rooms on disk are the rooms on the map', () => {
  const known = new Set<string>([...rooms, ...besides])
  const places = new Set(product('gateway').map(({ inside }) => placeOf(inside)))
  none(
    [...places].filter((place) => !known.has(place)),
    'add the room to test/map.ts and ARCHITECTURE.md',
  )
  for (const room of rooms)
    assert.ok(texts.has(`packages/gateway/src/${room}.ts`), `${room} has no door`)
})

/** Why a file of a package may not name this module, or nothing. */
function beyondPackage(name: string, inside: string, specifier: string): string | undefined {
  const row = packages[name]
  assert.ok(row)
  if (specifier.startsWith('.')) {
    const target = join('src', dirname(inside), specifier)
    return target.startsWith('..') ? 'leaves its package' : undefined
  }
  if (specifier.startsWith('node:')) {
    return row.node.some((pattern) => pattern.test(inside))
      ? undefined
      : 'must run in a browser too'
  }
  return row.uses.includes(packageOf(specifier)) ? undefined : 'not on the list of its package'
}

test('packages import only what the map allows', () => {
  const found = Object.keys(packages).flatMap((name) =>
    product(name).flatMap(({ file, inside }) =>
      readImports(text(file)).flatMap(({ specifier }) => {
        const why = beyondPackage(name, inside, specifier)
        return why === undefined ? [] : [`${file} -> ${specifier}: ${why}`]
      }),
    ),
  )
  none(found, 'see `packages` in test/map.ts')
  assert.match(beyondPackage('tlog', 'hash.ts', 'node:crypto') ?? '', /browser/)
  assert.match(beyondPackage('record', 'encode.ts', 'zod') ?? '', /not on the list/)
  assert.match(beyondPackage('record', 'encode.ts', '../../tlog/src/hash.ts') ?? '', /leaves/)
})

test('a dependency is named only where the map says', () => {
  const found = product('gateway').flatMap(({ file, inside }) =>
    readImports(text(file))
      .filter(({ specifier }) => {
        const places = dependencyPlaces[packageOf(specifier)]
        return places !== undefined && !places.some((place) => place === placeOf(inside))
      })
      .map(({ specifier }) => `${file}: ${specifier}`),
  )
  none(found, 'see `dependencyPlaces` in test/map.ts')
})

/** Why this import of one gateway file by another is against the map, or nothing. */
function trespass(from: string, to: string, typeOnly: boolean): string | undefined {
  const [here, there] = [placeOf(from), placeOf(to)]
  if (here === there) return undefined
  if (sharedTypes.includes(to) && typeOnly) return undefined
  const allowed = Object.entries(mayImport).find(([place]) => place === here)?.[1] ?? []
  if (!allowed.some((place) => place === there)) return `${here} may not import ${there}`
  if (to.includes('/') && !sharedTypes.includes(to)) return `behind the door ${there}.ts`
  return undefined
}

test('rooms never import each other, and nobody walks past a door', () => {
  const found = product('gateway').flatMap(({ file, inside }) =>
    readImports(text(file))
      .filter(({ specifier }) => specifier.startsWith('.'))
      .flatMap(({ specifier, typeOnly }) => {
        const to = join(dirname(inside), specifier).split(sep).join('/')
        // Its own package.json or bin, which a process is started from: no room.
        if (to.startsWith('..')) return []
        const why = trespass(inside, to, typeOnly)
        return why === undefined ? [] : [`${file} -> ${to}: ${why}`]
      }),
  )
  none(found, 'see `mayImport` in test/map.ts')
})

test('the map itself refuses what it should', () => {
  assert.equal(trespass('capture/front.ts', 'capture/framing.ts', false), undefined)
  assert.equal(trespass('capture/front.ts', 'platform.ts', false), undefined)
  assert.equal(trespass('policy.ts', 'config/schema.ts', true), undefined)
  assert.match(trespass('capture/front.ts', 'ledger.ts', true) ?? '', /may not import/)
  assert.match(trespass('journey.ts', 'ledger/wal.ts', false) ?? '', /behind the door/)
  assert.match(trespass('platform.ts', 'ledger.ts', false) ?? '', /may not import/)
  assert.match(trespass('ledger/wal.ts', 'cli/up.ts', false) ?? '', /may not import/)
  assert.match(trespass('capture/front.ts', 'config/schema.ts', false) ?? '', /may not import/)
})

test('a decision is made without disk, network or clock', () => {
  const found = product('gateway')
    .filter(({ inside }) => placeOf(inside) === 'policy')
    .flatMap(({ file }) =>
      readImports(text(file))
        .filter(({ specifier }) => specifier.startsWith('node:'))
        .filter(
          ({ specifier }) => !['node:net', 'node:assert/strict', 'node:crypto'].includes(specifier),
        )
        .map(({ specifier }) => `${file}: ${specifier}`),
    )
  none(found, 'policy is pure: same input, same answer')
})

test('a door gives away few things, each by name', () => {
  const doors = [...rooms, 'platform', 'config'].map((place) => `packages/gateway/src/${place}.ts`)
  for (const door of doors.filter((file) => texts.has(file))) {
    const found = readExports(text(door))
    const types = found.filter(({ typeOnly }) => typeOnly).length
    const values = found.length - types
    assert.ok(!found.some(({ name }) => name === '*'), `${door} gives away everything`)
    assert.ok(values > 0 && values <= doorExportsMax, `${door}: ${values} exports`)
    assert.ok(types <= doorTypesMax, `${door}: ${types} types`)
  }
})

test('file names say what is inside', () => {
  const vague =
    /^(utils?|helpers?|managers?|common|misc|handlers?|stuff)(\.|-|$)|-(utils?|helpers?|managers?)\./
  none(
    sources.filter(
      (file) =>
        vague.test(basename(file)) ||
        dirname(file)
          .split('/')
          .some((part) => vague.test(part)),
    ),
    'name the thing, not the drawer',
  )
})

test('some words belong to few files', () => {
  const found = sources
    .filter((file) => !file.startsWith('test/map.ts') && !file.startsWith('test/tidy'))
    .flatMap((file) =>
      words
        .filter(({ word, only }) => !only.test(file) && word.test(text(file)))
        .map(({ word, why }) => `${file}: ${word.source} (${why})`),
    )
  none(found, 'see `words` in test/map.ts')
})

test('no file of the tree names a machine or a registry', () => {
  // Written in pieces, so that this file does not hold what it looks for.
  const unwanted = new RegExp(
    [
      ['/', 'work/'],
      ['/', 'root/'],
      ['/', 'home/[a-z]'],
      ['/', 'Users/'],
      ['registry', '\\.npmjs'],
      ['registry', '\\.yarn'],
      ['_auth', 'Token'],
    ]
      .map((pieces) => pieces.join(''))
      .map((piece) => `(?<![\\w.$}{])${piece}`)
      .join('|'),
  )
  const readable = files.filter((file) =>
    /\.(ts|js|json|md|ya?ml|txt|sh)$|^\.[a-z]+rc$|^\.ci\//.test(file),
  )
  assert.ok(readable.length > sourceFilesMin)
  none(
    readable.filter((file) => unwanted.test(readFileSync(join(root, file), 'utf8'))),
    'a clone on another machine would break, or tell where it came from',
  )
})

test('every dependency has a line that says why', () => {
  const reasons = readFileSync(join(root, 'docs/decisions/0001-dependencies.md'), 'utf8')
  const manifests = files.filter((file) => /^(packages\/[^/]+\/)?package\.json$/.test(file))
  const names = manifests.flatMap((file) => {
    const manifest = JSON.parse(readFileSync(join(root, file), 'utf8')) as Record<
      string,
      Record<string, string>
    >
    return ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'].flatMap(
      (kind) => Object.keys(manifest[kind] ?? {}),
    )
  })
  none(
    [...new Set(names)].filter(
      (name) => !name.startsWith('@countersign/') && !reasons.includes(`\`${name}\``),
    ),
    'add a line to docs/decisions/0001-dependencies.md',
  )
})
