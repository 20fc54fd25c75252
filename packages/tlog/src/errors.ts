/** Every reason this package refuses something. Callers switch on it; the message is for people. */
export type TlogErrorCode =
  | 'ADDENDA_MALFORMED'
  | 'ADD_CHECKPOINT_MALFORMED'
  | 'BASE64_MALFORMED'
  | 'BUNDLE_MALFORMED'
  | 'CHECKPOINT_EXTENSION'
  | 'CHECKPOINT_MALFORMED'
  | 'CONSISTENCY_FROM_EMPTY'
  | 'CONSISTENCY_SHRINKS'
  | 'CONTROL_CHARACTER'
  | 'DECIMAL_MALFORMED'
  | 'ENTRY_TOO_LARGE'
  | 'HASH_LENGTH'
  | 'HEX_MALFORMED'
  | 'INDEX_OUT_OF_RANGE'
  | 'KEY_AMBIGUOUS'
  | 'KEY_ID_MISMATCH'
  | 'KEY_MALFORMED'
  | 'KEY_NAME_INVALID'
  | 'KEY_NON_CANONICAL'
  | 'KEY_SMALL_ORDER'
  | 'KEY_TYPE_UNSUPPORTED'
  | 'NOTE_MALFORMED'
  | 'NOTE_TOO_LARGE'
  | 'NOTE_UNSIGNED'
  | 'ORIGIN_UNKNOWN'
  | 'POLICY_MALFORMED'
  | 'PROOF_LENGTH'
  | 'PROOF_TOO_LONG'
  | 'QUORUM_UNMET'
  | 'RANGE_MALFORMED'
  | 'RECEIPT_MALFORMED'
  | 'ROOT_MISMATCH'
  | 'SEALED_ALTERED'
  | 'SEALED_COMMITMENT'
  | 'SEALED_MALFORMED'
  | 'SEALED_TRUNCATED'
  | 'SEALING_INPUT'
  | 'SIGNATURE_DUPLICATE'
  | 'SIGNATURE_INVALID'
  | 'SIGNATURE_MALFORMED'
  | 'SIZE_UNSAFE'
  | 'TILE_MALFORMED'
  | 'TILE_PATH_MALFORMED'
  | 'TIMESTAMP_RANGE'
  | 'UTF8_MALFORMED'

/** The one error of this package. `code` is closed and stable; the message holds no secret. */
export class TlogError extends Error {
  override readonly name: string = 'TlogError'
  readonly code: TlogErrorCode

  constructor(code: TlogErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
