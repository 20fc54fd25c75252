/** A field reaches past the end of what contains it. */
export class OutOfBytes extends Error {}

/** Reads big-endian fields off the front of some bytes; it cannot see past their end. */
export class Cursor {
  #bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Bytes not read yet. */
  get length(): number {
    return this.#bytes.length
  }

  /** The next `count` bytes. */
  take(count: number): Uint8Array {
    if (count > this.#bytes.length) throw new OutOfBytes()
    const taken = this.#bytes.subarray(0, count)
    this.#bytes = this.#bytes.subarray(count)
    return taken
  }

  u8(): number {
    const [value] = this.take(1)
    return value ?? 0
  }

  u16(): number {
    return this.u8() * 256 + this.u8()
  }

  /** Bytes behind a one-byte length. */
  vector8(): Cursor {
    return new Cursor(this.take(this.u8()))
  }

  /** Bytes behind a two-byte length. */
  vector16(): Cursor {
    return new Cursor(this.take(this.u16()))
  }

  /** Everything left. */
  rest(): Uint8Array {
    return this.take(this.#bytes.length)
  }
}
