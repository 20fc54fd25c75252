/** The names of the files in a bundle (docs/spec/bundle.md, "Files"). Anything else in it is unexpected. */
import { RECEIPT_EXTENSION } from '@countersign/tlog/receipt'

export const MANIFEST = 'manifest.json'
/** What the log's checkpoints must satisfy: C2SP tlog-policy. */
export const POLICY = 'policy'
/** The signed note that everything else is held against: C2SP tlog-checkpoint. */
export const CHECKPOINT = 'checkpoint'
/** An earlier checkpoint of the log. */
export const EARLIER = 'checkpoint.earlier'
/** The proof that the log grew from the earlier checkpoint: the body of a C2SP tlog-witness add-checkpoint request. */
export const CONSISTENCY = 'consistency'
/** How to check the bundle, for people. */
export const GUIDE = 'VERIFY.md'
/** The page that checks a bundle in a browser. */
export const PAGE = 'verify.html'
/** Keys of opened addenda, one a line. */
export const KEYS = 'addenda.keys'

/** The files that nothing in the log vouches for: the manifest holds their digests. */
export const PLAIN_FILES: readonly PlainFile[] = [GUIDE, POLICY, PAGE]

export type PlainFile = 'VERIFY.md' | 'policy' | 'verify.html'

/** Records that travel alone, and the records of the export itself. */
export type ReceiptFolder = 'records' | 'export'

export interface ReceiptFiles {
  readonly entry: string
  readonly receipt: string
}

/** Where one record and its receipt lie. */
export function receiptFiles(folder: ReceiptFolder, index: number): ReceiptFiles {
  return {
    entry: `${folder}/${index}.entry`,
    receipt: `${folder}/${index}${RECEIPT_EXTENSION}`,
  }
}
