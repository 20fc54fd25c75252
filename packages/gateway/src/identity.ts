/** Identity: `Captured` -> `Actor`: who, by which proof. It allows nothing. */
export { createApiKey, listApiKeys, revokeApiKey } from './identity/api-key-file.ts'
export type { ApiKeyEntry, ApiKeyMaking, ApiKeySpec } from './identity/api-key-file.ts'
export { IdentityError } from './identity/errors.ts'
export type { IdentityErrorCode } from './identity/errors.ts'
export { openIdentity } from './identity/open.ts'
export type { Identity, IdentityOptions } from './identity/open.ts'
export type { KeyChange } from './identity/known-keys.ts'
export { forgetSubject } from './identity/subjects.ts'
