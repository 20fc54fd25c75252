import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import nodeVectors from '../testdata/tile-node.json' with { type: 'json' }
import vectors from '../testdata/tile.json' with { type: 'json' }
import { encodeHex } from './base64.ts'
import { CompactRange } from './compact-range.ts'
import { hashLeaf } from './hash.ts'
import { sha256, throwsCode } from './testing.test.ts'
import { utf8 } from './text.ts'
import {
  checkTileBytes,
  nodeFromTile,
  parseTilePath,
  partialWidth,
  placeOfNode,
  tilePath,
  tilesBetween,
  tilesForSize,
  tileWidth,
} from './tile.ts'
import type { Tile } from './tile.ts'

function levelOf(text: string): number | 'entries' {
  return text === 'entries' ? text : Number(text)
}

test('tile paths read and write the vectors', () => {
  for (const { level, index, width, path } of vectors.paths) {
    const tile = { level: levelOf(level), index, width }
    assert.equal(tilePath(tile), path)
    assert.deepEqual(parseTilePath(path), tile)
  }
})

for (const { name, input, error } of vectors.invalidPaths) {
  test(`a tile path is refused: ${name}`, () => throwsCode(() => parseTilePath(input), error))
}

test('a tile that no path can name is not written', () => {
  const good = { level: 0, index: 0, width: 1 }
  for (const wrong of [
    { level: 64 },
    { level: -1 },
    { level: 0.5 },
    { index: -1 },
    { index: 2 ** 53 },
    { width: 0 },
    { width: 257 },
    { width: 1.5 },
  ]) {
    throwsCode(() => tilePath({ ...good, ...wrong }), 'TILE_PATH_MALFORMED', JSON.stringify(wrong))
  }
})

test('any tile reads back from its path', () => {
  const level = fc.oneof(fc.constant('entries' as const), fc.integer({ min: 0, max: 63 }))
  fc.assert(
    fc.property(level, fc.maxSafeNat(), fc.integer({ min: 1, max: 256 }), (at, index, width) => {
      const tile: Tile = { level: at, index, width }
      assert.deepEqual(parseTilePath(tilePath(tile)), tile)
    }),
  )
})

for (const { size, levels } of vectors.sizes) {
  test(`a tree of ${size} has the tiles of the vectors`, () => {
    const tiles = [...tilesForSize(size)]
    const found = levels.map(({ level }) => {
      const ofLevel = tiles.filter((tile) => tile.level === level)
      const partial = ofLevel.filter(({ width }) => width < 256)
      assert.ok(partial.length <= 1)
      for (const [at, { index, width }] of ofLevel.entries()) {
        assert.equal(index, at)
        assert.equal(tileWidth(size, levelOf(String(level)), index), width)
      }
      assert.equal(tileWidth(size, levelOf(String(level)), ofLevel.length), 0)
      assert.equal(partialWidth(size, levelOf(String(level))), partial[0]?.width ?? 0)
      return { level, full: ofLevel.length - partial.length, partial: partial[0]?.width ?? 0 }
    })
    assert.deepEqual(found, levels)
    assert.equal(
      tiles.length,
      levels.reduce((sum, { full, partial }) => sum + full + Math.min(1, partial), 0),
    )
  })
}

test('growing writes the tiles of the vectors', () => {
  for (const { oldSize, newSize, paths } of vectors.growth) {
    assert.deepEqual(
      [...tilesBetween(oldSize, newSize)].map(tilePath),
      paths,
      `${oldSize} to ${newSize}`,
    )
  }
})

test('a log that grows step by step has written every tile of its size', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(70_000), { maxLength: 5 }), (steps) => {
      const sizes = [0, ...steps.toSorted((a, b) => a - b)]
      const written = new Set<string>()
      for (const [at, size] of sizes.entries()) {
        for (const tile of tilesBetween(sizes[at - 1] ?? 0, size)) written.add(tilePath(tile))
        for (const tile of tilesForSize(size)) assert.ok(written.has(tilePath(tile)))
      }
    }),
    { numRuns: 20 },
  )
})

test('a log cannot shrink, nor have a size that is not exact', () => {
  throwsCode(() => [...tilesBetween(2, 1)], 'CONSISTENCY_SHRINKS')
  throwsCode(() => [...tilesBetween(-1, 1)], 'SIZE_UNSAFE')
  throwsCode(() => [...tilesForSize(2 ** 53)], 'SIZE_UNSAFE')
})

function tileOfVectors(width: number): Uint8Array {
  return Buffer.concat(Array.from({ length: width }, (_, at) => sha256(utf8(String(at)))))
}

test('subtrees of a tile hash as in the vectors', () => {
  for (const { width, level, index, hash } of nodeVectors.valid) {
    assert.equal(
      encodeHex(
        nodeFromTile(sha256, tileOfVectors(width), { levelInTile: level, indexInTile: index }),
      ),
      hash,
      `${width} ${level} ${index}`,
    )
  }
})

for (const { name, width, level, index, error } of nodeVectors.invalid) {
  test(`a tile has no ${name}`, () =>
    throwsCode(
      () => nodeFromTile(sha256, tileOfVectors(width), { levelInTile: level, indexInTile: index }),
      error,
    ))
}

test('bytes that are not 1 to 256 hashes, or not as many as asked for, are no tile', () => {
  for (const bytes of [0, 31, 33, 257 * 32])
    throwsCode(() => checkTileBytes(new Uint8Array(bytes)), 'TILE_MALFORMED')
  throwsCode(() => checkTileBytes(new Uint8Array(64), 1), 'TILE_MALFORMED')
  checkTileBytes(new Uint8Array(64), 2)
  checkTileBytes(new Uint8Array(8192), 256)
})

test('every complete subtree of a tree is found in its tiles', () => {
  const size = 600
  const stored = new Map<string, number[]>()
  const nodes: { level: number; index: number; hash: Uint8Array }[] = []
  const range = new CompactRange(sha256)
  for (let leaf = 0; leaf < size; leaf++) {
    range.append(hashLeaf(sha256, utf8(`entry ${leaf}`)), (level, index, hash) => {
      nodes.push({ level, index, hash })
      if (level % 8 !== 0) return
      const key = `${level / 8}/${Math.floor(index / 256)}`
      stored.set(key, [...(stored.get(key) ?? []), ...hash])
    })
  }
  for (const { level, index, hash } of nodes) {
    const place = placeOfNode(level, index)
    const tile = stored.get(`${place.level}/${place.index}`)
    assert.ok(tile !== undefined)
    assert.equal(tile.length, tileWidth(size, place.level, place.index) * 32)
    const node = nodeFromTile(sha256, Uint8Array.from(tile), place)
    assert.equal(encodeHex(node), encodeHex(hash))
  }
})
