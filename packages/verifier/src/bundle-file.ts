/** What the check of a bundle needs of Node: a file to read from anywhere in, and its primitives. */
import { createDecipheriv, createHmac } from 'node:crypto'
import { open } from 'node:fs/promises'

import type { RandomAccess } from './bundle/zip-reader.ts'
import type { BundleCrypto } from './bundle/trust.ts'
import { VerifierError } from './errors.ts'
import { nodeCrypto } from './node-io.ts'

const TAG_BYTES = 16

export const nodeBundleCrypto: BundleCrypto = {
  ...nodeCrypto,
  opening: {
    hmacSha512: async (key, message) => createHmac('sha512', key).update(message).digest(),
    aes256GcmOpen: async ({ key, nonce, sealed }) => {
      const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
      decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
      const plaintext = decipher.update(sealed.subarray(0, -TAG_BYTES))
      try {
        decipher.final()
        return plaintext
      } catch {
        // The tag does not hold: that is the answer.
        return undefined
      }
    },
  },
}

/** A file, open until it is disposed of. @throws {VerifierError} `SOURCE_UNREADABLE` */
export async function fileAccess(path: string): Promise<RandomAccess & AsyncDisposable> {
  const file = await open(path, 'r').catch((cause: unknown) => unreadable(path, cause))
  const { size } = await file.stat()
  return {
    size,
    async read(start, end) {
      const bytes = new Uint8Array(end - start)
      let done = 0
      while (done < bytes.length) {
        const { bytesRead } = await file
          .read(bytes, done, bytes.length - done, start + done)
          .catch((cause: unknown) => unreadable(path, cause))
        if (bytesRead === 0) unreadable(path, new Error('it became shorter while it was read'))
        done += bytesRead
      }
      return bytes
    },
    [Symbol.asyncDispose]: () => file.close(),
  }
}

function unreadable(path: string, cause: unknown): never {
  const why = cause instanceof Error ? cause.message : String(cause)
  throw new VerifierError('SOURCE_UNREADABLE', `could not read ${path}: ${why}`, { cause })
}
