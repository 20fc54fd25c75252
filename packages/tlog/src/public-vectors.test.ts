import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { decodeBase64, encodeBase64 } from './base64.ts'
import { decodeBundle } from './bundle.ts'
import { parseCheckpoint } from './checkpoint.ts'
import { CompactRange } from './compact-range.ts'
import { TlogError } from './errors.ts'
import { hashLeaf } from './hash.ts'
import { parseVkey } from './key.ts'
import { openNote } from './note.ts'
import { consistencyProof, inclusionProof, verifyConsistency, verifyInclusion } from './proof.ts'
import { toTreeSize } from './size.ts'
import { sha256, verify } from './testing.test.ts'
import {
  nodeFromTile,
  parseTilePath,
  placeOfNode,
  tilePath,
  tilesForSize,
  tileWidth,
} from './tile.ts'

// Vectors of other implementations, not kept here: they are run from a folder with clones of their repositories.
const folder = process.env['COUNTERSIGN_PUBLIC_VECTORS']

/** Whether to skip, and how to get what is missing. */
function missing(name: string, repository: string): string | false {
  if (folder !== undefined && existsSync(join(folder, name))) return false
  return `git clone --depth 1 https://github.com/${repository} "$COUNTERSIGN_PUBLIC_VECTORS/${name}" to run these vectors`
}

function pathOf(...parts: string[]): string {
  return join(folder ?? '', ...parts)
}

/** One file of transparency-dev/merkle; only the fields of its own kind are there. */
interface MerkleVector {
  leafIdx: string
  treeSize: string
  leafHash: string
  root: string
  size1: string
  size2: string
  root1: string
  root2: string
  proof: string[] | null
  desc: string
  wantErr: boolean
}

function readMerkle(path: string): MerkleVector {
  // Sizes near 2^64 would lose digits as numbers: keep them as text.
  const exact = readFileSync(path, 'utf8').replaceAll(
    /("(?:leafIdx|treeSize|size1|size2)": )([0-9]+)/g,
    '$1"$2"',
  )
  return JSON.parse(exact)
}

function accepts(act: () => void): boolean {
  try {
    act()
    return true
  } catch (error) {
    assert.ok(error instanceof TlogError, String(error))
    return false
  }
}

/** Its hashes are written as whatever bytes a case needs, at times none or too few. */
function bytes(text: string | null): Uint8Array {
  return Uint8Array.from(Buffer.from(text ?? '', 'base64'))
}

const merkle = missing('merkle', 'transparency-dev/merkle')

test('the inclusion vectors of transparency-dev/merkle', { skip: merkle }, () => {
  const paths = globSync(pathOf('merkle/testdata/inclusion/**/*.json'))
  assert.ok(paths.length > 50)
  for (const path of paths) {
    const vector = readMerkle(path)
    const claim = {
      index: BigInt(vector.leafIdx),
      size: BigInt(vector.treeSize),
      leafHash: bytes(vector.leafHash),
      root: bytes(vector.root),
      proof: (vector.proof ?? []).map(bytes),
    }
    assert.equal(
      accepts(() => verifyInclusion(claim, sha256)),
      !vector.wantErr,
      path,
    )
  }
})

test('the consistency vectors of transparency-dev/merkle', { skip: merkle }, () => {
  const paths = globSync(pathOf('merkle/testdata/consistency/**/*.json'))
  assert.ok(paths.length > 50)
  for (const path of paths) {
    const vector = readMerkle(path)
    const claim = {
      oldSize: BigInt(vector.size1),
      newSize: BigInt(vector.size2),
      oldRoot: bytes(vector.root1),
      newRoot: bytes(vector.root2),
      proof: (vector.proof ?? []).map(bytes),
    }
    // One of theirs is content with roots of 12 bytes; here a root is 32 bytes always.
    const areHashes = claim.oldRoot.length === 32 && claim.newRoot.length === 32
    assert.equal(
      accepts(() => verifyConsistency(claim, sha256)),
      !vector.wantErr && areHashes,
      path,
    )
  }
})

test(
  'the example of the signed-note specification',
  { skip: missing('C2SP', 'C2SP/C2SP') },
  async () => {
    const page = readFileSync(pathOf('C2SP/signed-note.md'), 'utf8')
    const vkey = /^ {4}(example\.com\/foo\+\S+)$/m.exec(page)?.[1]
    const note = /```\n(This is an example message\.\n[^`]*)```/.exec(page)?.[1]
    assert.ok(vkey !== undefined && note !== undefined)
    const { verified } = await openNote(note, { keys: [parseVkey(vkey, sha256)], sha256, verify })
    assert.equal(verified.length, 1)
  },
)

test(
  'the log of Tessera: every checkpoint, tile, bundle and proof',
  { skip: missing('tessera', 'transparency-dev/tessera') },
  async () => {
    const log = pathOf('tessera/testdata/log')
    const script = readFileSync(pathOf('tessera/testdata/build_log.sh'), 'utf8')
    const vkey = /LOG_PUBLIC_KEY="([^"]+)"/.exec(script)?.[1]
    assert.ok(vkey !== undefined)
    const keys = [parseVkey(vkey, sha256)]
    const open = async (name: string): Promise<{ size: number; root: Uint8Array }> => {
      const { note } = await openNote(readFileSync(join(log, name)), { keys, sha256, verify })
      const { size, root } = parseCheckpoint(note.text)
      return { size: toTreeSize(size), root }
    }
    const head = await open('checkpoint')
    const readNode = (level: number, index: number): Uint8Array => {
      const place = placeOfNode(level, index)
      const width = tileWidth(head.size, place.level, place.index)
      const tile = readFileSync(
        join(log, tilePath({ level: place.level, index: place.index, width })),
      )
      return nodeFromTile(sha256, tile, place)
    }
    const range = new CompactRange(sha256)
    const roots = [range.root()]
    for (const tile of tilesForSize(head.size)) {
      const content = readFileSync(join(log, tilePath(tile)))
      if (tile.level !== 'entries') continue
      for (const [at, entry] of decodeBundle(content, tile.width).entries()) {
        const leafHash = hashLeaf(sha256, entry)
        range.append(leafHash)
        roots.push(range.root())
        const index = tile.index * 256 + at
        const proof = inclusionProof(index, head.size, { sha256, readNode })
        verifyInclusion(
          { index: BigInt(index), size: BigInt(head.size), leafHash, root: head.root, proof },
          sha256,
        )
      }
    }
    assert.equal(encodeBase64(range.root()), encodeBase64(head.root))
    for (const name of globSync('checkpoint.*', { cwd: log })) {
      const { size, root } = await open(name)
      assert.equal(encodeBase64(roots[size] ?? decodeBase64('')), encodeBase64(root))
      if (size === 0) continue
      const proof = consistencyProof(size, head.size, { sha256, readNode })
      const claim = {
        oldSize: BigInt(size),
        newSize: BigInt(head.size),
        oldRoot: root,
        newRoot: head.root,
        proof,
      }
      verifyConsistency(claim, sha256)
    }
    for (const path of globSync('tile/**/*', { cwd: log, withFileTypes: true })) {
      if (!path.isFile()) continue
      const name = join(path.parentPath, path.name).slice(log.length + 1)
      assert.equal(tilePath(parseTilePath(name)), name)
    }
  },
)
