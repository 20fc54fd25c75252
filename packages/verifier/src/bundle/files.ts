/** The files of a bundle as the checks read them: what is missing or damaged becomes a finding, once; what nobody asks for is told at the end. */
import type { Finding } from '../finding.ts'
import { ZipError } from './zip-reader.ts'
import type { ZipReader } from './zip-reader.ts'

export class BundleFiles {
  readonly #zip: ZipReader
  readonly #onFinding: (finding: Finding) => void
  readonly #asked = new Set<string>()
  readonly #complained = new Set<string>()
  /** Bytes unpacked so far. */
  bytes = 0

  constructor(zip: ZipReader, onFinding: (finding: Finding) => void) {
    this.#zip = zip
    this.#onFinding = onFinding
  }

  has(path: string): boolean {
    return this.#zip.bytesOf(path) !== undefined
  }

  /** All names that begin so, in the order of the zip. */
  *below(prefix: string): Generator<string, void, undefined> {
    for (const name of this.#zip.names()) if (name.startsWith(prefix)) yield name
  }

  /** A file that must be there. @returns `undefined`, and a finding, when it is missing or damaged */
  async read(path: string): Promise<Uint8Array | undefined> {
    const isNew = !this.#asked.has(path)
    this.#asked.add(path)
    try {
      const bytes = await this.#zip.read(path)
      if (bytes === undefined)
        this.#complain({
          code: 'FILE_MISSING',
          path,
          message: 'there is no such file in the bundle',
        })
      else if (isNew) this.bytes += bytes.length
      return bytes
    } catch (error) {
      this.#complain({ ...zipFinding(error), path })
      return undefined
    }
  }

  /** A file that may be there. */
  async readIfThere(path: string): Promise<Uint8Array | undefined> {
    return this.has(path) ? this.read(path) : undefined
  }

  /** Files that nothing asked for. */
  *unasked(): Generator<string, void, undefined> {
    for (const name of this.#zip.names()) if (!this.#asked.has(name)) yield name
  }

  #complain(finding: Finding): void {
    if (this.#complained.has(finding.path)) return
    this.#complained.add(finding.path)
    this.#onFinding(finding)
  }
}

/** What a refused zip is as a finding. @throws whatever is no refusal: trouble to read is no judgement */
export function zipFinding(error: unknown): Finding {
  if (!(error instanceof ZipError)) throw error
  const { code, message, path, byte } = error
  return {
    code: code === 'ZIP_LIMIT' ? 'BUNDLE_LIMIT' : code,
    path: path ?? 'the zip',
    message:
      path === undefined || byte === undefined ? message : `${message} (byte ${byte} of the zip)`,
    // An offset in the file that is named; in a damaged file nobody knows which byte it was.
    byte: path === undefined ? byte : undefined,
  }
}
