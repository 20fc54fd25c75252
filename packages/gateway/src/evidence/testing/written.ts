/** Writes bundles of the story, and checks them as their reader will. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseVkey } from '@countersign/tlog/key'
import { nodeBundleCrypto } from '@countersign/verifier/bundle-file'
import { checkBundle } from '@countersign/verifier/bundle/check'
import type { CheckedBundle } from '@countersign/verifier/bundle/check'
import { logKey } from '@countersign/verifier/sample-log.testing'
import { sha256 } from '../../cryptography.ts'
import { selectEvidence } from '../selection.ts'
import type { Opening, Scope } from '../selection.ts'
import { writeBundle } from '../write-bundle.ts'
import type { BundleRequest, WrittenBundle } from '../write-bundle.ts'
import { policy } from './story.ts'
import type { Story } from './story.ts'

/** A page of its own, so that nothing here depends on how the real one is built. */
const page: Uint8Array = Buffer.from('<!doctype html><title>a page</title>\n')

export interface BundleOf {
  readonly scope: Scope
  readonly opening?: Opening
  readonly request?: Partial<BundleRequest>
}

export async function bundleOf(
  story: Story,
  { scope, opening = 'none', request = {} }: BundleOf,
): Promise<WrittenBundle & { readonly zip: Buffer }> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-evidence-'))
  const target = join(folder, 'bundle.zip')
  const { log, addenda } = story
  try {
    const selection = await selectEvidence(scope, opening, { log, addenda })
    const asked = { by: 'auditor@example.com', purpose: 'yearly audit', at: '2026-11-25T12:00:00Z' }
    const wanted = {
      target,
      log,
      addenda,
      selection,
      policy,
      asked,
      recorded: '',
      page,
      ...request,
    }
    const written = await writeBundle(wanted)
    return { ...written, zip: await readFile(target) }
  } finally {
    await rm(folder, { recursive: true })
  }
}

export async function check(
  zip: Uint8Array,
  vkeys: readonly string[] = [logKey.vkey],
): Promise<CheckedBundle> {
  return checkBundle({
    access: { size: zip.length, read: async (start, end) => zip.subarray(start, end) },
    crypto: nodeBundleCrypto,
    keys: vkeys.map((vkey) => parseVkey(vkey, sha256)),
  })
}
