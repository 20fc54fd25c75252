/** The addenda that the ledger of this machine keeps beside its log, and the keys that open them where they are at hand. */
import { resolve } from 'node:path'
import type { LoadedConfig } from '../config.ts'
import { openUnsealing, readTenantKey } from '../seal.ts'
import type { Unsealing } from '../seal.ts'
import { codeOf } from './thrown.ts'
import { openErasures } from './erasure-search.ts'
import type { PublishedLog } from '../follow.ts'
import type { AddendumStore } from './open-record.ts'
import { openPackWindow } from './pack-window.ts'

/** @param unsealing absent when the tenant's key is not at hand: then what is sealed stays so. */
export function openLocalAddenda(
  dataDir: string,
  log: PublishedLog,
  unsealing: Unsealing | undefined,
): AddendumStore {
  const erasures = openErasures(log)
  const packs = openPackWindow(dataDir)
  return {
    async find({ index, ordinal }) {
      const found = (await packs.addendaOf(index))[ordinal]
      return found === undefined ? undefined : { ...found, isSealed: found.envelope !== undefined }
    },
    open({ leaf, ordinal, found: { content, envelope } }) {
      if (unsealing === undefined || envelope === undefined)
        return { state: 'sealed', why: 'the tenant key is not at hand' }
      return unsealing.open({ content, envelope, leaf, ordinal })
    },
    erasure: (index) => erasures.covering(index),
    close: () => unsealing?.close(),
  }
}

/** What opens the addenda of a configuration's log; nothing when it seals none, or its tenant key is not on this machine. */
export async function openUnsealingOf(loaded: LoadedConfig): Promise<Unsealing | undefined> {
  const { seal, data } = loaded.config
  if (seal === undefined) return undefined
  const tenantKey = await readTenantKey(loaded.resolve(seal.key)).catch(notHere)
  if (tenantKey === undefined) return undefined
  return openUnsealing({ stateDir: resolve(loaded.resolve(data), 'state'), tenantKey })
}

/** No such file, or none that this user may read: whoever looks is shown that things are sealed. A key that is no key is an error. */
function notHere(error: unknown): undefined {
  const code = error instanceof Error ? codeOf(error.cause) : undefined
  if (code === 'ENOENT' || code === 'EACCES') return undefined
  throw error
}
