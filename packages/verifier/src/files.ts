/**
 * The files of a log directory that the tree of the checkpoint does not need: partial tiles that wider ones have superseded, what was
 * published after the checkpoint was read, and addenda, which are named by their hash. Whoever serves the directory serves these too, so
 * they must be right as well.
 */
import { addendumPath } from '@countersign/tlog/addenda'
import { encodeHex } from '@countersign/tlog/base64'
import { decodeBundle } from '@countersign/tlog/bundle'
import { TlogError } from '@countersign/tlog/errors'
import { equalBytes } from '@countersign/tlog/hash'
import { parseTilePath, tilePath, tileWidth } from '@countersign/tlog/tile'
import type { Tile } from '@countersign/tlog/tile'

import { tileFromBelow } from './levels.ts'
import type { LevelTools } from './levels.ts'
import { hashEntries } from './hashes.ts'
import { reasonOf } from './range.ts'
import { cutTile, readTile } from './source.ts'

/** Looks at every file. @returns how many there are, and how many are newer than the checkpoint. */
export async function verifyFiles(
  size: number,
  tools: LevelTools,
): Promise<{ files: number; ahead: number }> {
  const paths = (await tools.source.list?.()) ?? []
  let ahead = 0
  for (const path of paths) {
    if (path === 'checkpoint') continue
    if (path.startsWith('addenda/')) {
      await checkAddendum(path, tools)
      continue
    }
    const tile = tileOf(path)
    if (tile === undefined) {
      tools.findings.add({
        code: 'FILE_UNEXPECTED',
        path,
        message: 'no log has a file of this name: nothing vouches for it',
      })
      continue
    }
    const width = tileWidth(size, tile.level, tile.index)
    // A tile of exactly this width is part of the tree and has been checked.
    if (tile.width < width) await checkSuperseded(tile, { ...tile, width }, tools)
    if (tile.width <= width) continue
    ahead += 1
    await checkAhead(tile, { ...tile, width }, tools)
  }
  return { files: paths.length, ahead }
}

/** A mirror keeps addenda beside the tiles (C2SP tlog-addenda): each under the hash of its bytes. */
async function checkAddendum(
  path: string,
  { source, crypto, findings }: LevelTools,
): Promise<void> {
  const digest = /^addenda\/[0-9a-f]{2}\/[0-9a-f]{2}\/([0-9a-f]{64})$/.exec(path)?.[1]
  if (digest === undefined || addendumPath(digest) !== path) {
    findings.add({ code: 'FILE_UNEXPECTED', path, message: 'no addendum has this name' })
    return
  }
  const bytes = await source.read(path)
  if (bytes !== undefined && encodeHex(crypto.sha256(bytes)) !== digest)
    findings.add({ code: 'FILE_MALFORMED', path, message: 'it is not the addendum of its name' })
}

async function checkSuperseded(
  tile: Tile,
  current: Tile,
  { source, findings }: LevelTools,
): Promise<void> {
  const path = tilePath(tile)
  // A current tile that is wrong has its finding; that this one differs from it says nothing.
  if (findings.kept.some((finding) => finding.path === tilePath(current))) return
  const [bytes, wider] = [await source.read(path), await readTile(source, current)]
  // Tiles come and go while a log is written to; a current one that is missing has its finding already.
  if (bytes === undefined || wider === undefined || equalBytes(bytes, cutTile(wider, tile))) return
  const byte = bytes.findIndex((value, at) => value !== wider[at])
  const message = `it is not the beginning of ${tilePath(current)}`
  findings.add({ code: 'PARTIAL_MISMATCH', path, byte: byte < 0 ? bytes.length : byte, message })
}

/** Nothing signed covers the end of such a tile yet, but it must go on from the signed part, and agree with its neighbours. */
async function checkAhead(tile: Tile, signed: Tile, tools: LevelTools): Promise<void> {
  const path = tilePath(tile)
  const bytes = await tools.source.read(path)
  if (bytes === undefined) return
  const before = signed.width === 0 ? undefined : await readTile(tools.source, signed)
  if (before !== undefined && !equalBytes(before, cutTile(bytes, signed))) {
    tools.findings.add({
      code: 'PARTIAL_MISMATCH',
      path,
      message: `it does not begin with ${tilePath(signed)}, which was signed`,
    })
  }
  try {
    const problem = await problemAhead(tile, bytes, tools)
    if (problem !== undefined)
      tools.findings.add({
        code: 'TILE_MISMATCH',
        path,
        message: `it is newer than the checkpoint, and ${problem}`,
      })
  } catch (error) {
    tools.findings.add({ code: 'FILE_MALFORMED', path, message: reasonOf(error) })
  }
}

async function problemAhead(
  tile: Tile,
  bytes: Uint8Array,
  tools: LevelTools,
): Promise<string | undefined> {
  if (tile.level === 'entries') {
    decodeBundle(bytes, tile.width)
    return undefined
  }
  const expected =
    tile.level === 0
      ? await leavesBelow(tile, tools)
      : await tileFromBelow({ ...tile, level: tile.level }, tools)
  // What is below a tile is published before it.
  if (expected === undefined) return 'what is below it is not there'
  return equalBytes(bytes, expected) ? undefined : 'not what the files below it give'
}

async function leavesBelow(
  tile: Tile,
  { source, crypto }: LevelTools,
): Promise<Uint8Array | undefined> {
  const bundle = await readTile(source, { ...tile, level: 'entries' })
  return bundle === undefined
    ? undefined
    : hashEntries(decodeBundle(bundle, tile.width), tile.width, crypto.sha256Into)
}

function tileOf(path: string): Tile | undefined {
  try {
    return parseTilePath(path)
  } catch (error) {
    if (error instanceof TlogError) return undefined
    throw error
  }
}
