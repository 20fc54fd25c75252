/**
 * The tenant's key, at the top: it wraps the keys of all subjects. An external command or a PKCS#11 token can stand behind the same
 * interface. Lost with it: every sealed addendum, for good. Who owns it and `state/` can read them all.
 */
import { createSecretKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { SealError } from './errors.ts'
import { unwrapKey, wrapKey } from './key-wrap.ts'

export interface TenantKey {
  /** A 32-byte key, wrapped: 40 bytes. */
  wrap(key: Uint8Array): Uint8Array
  /** Undefined when it was not wrapped under this key. */
  unwrap(wrapped: Uint8Array): Uint8Array | undefined
}

/**
 * Reads the file that `countersign init` made: 32 random bytes in hexadecimal.
 * @throws {SealError} `SEAL_TENANT_KEY`
 */
export async function readTenantKey(file: string): Promise<TenantKey> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new SealError('SEAL_TENANT_KEY', `could not read the tenant key ${file}`, { cause })
  })
  if (!/^[0-9a-f]{64}\s*$/.test(text)) {
    throw new SealError(
      'SEAL_TENANT_KEY',
      `could not use the tenant key ${file}: it must be 64 hexadecimal digits and nothing else`,
    )
  }
  const key = createSecretKey(text.trim(), 'hex')
  return { wrap: (inner) => wrapKey(key, inner), unwrap: (wrapped) => unwrapKey(key, wrapped) }
}
