/** What one message may take of us. Bytes, lines and milliseconds; each is reached by a test. */

/** Of a head, and of the trailer section after a chunked body. */
export interface HeadLimits {
  /** Start line, header lines and the empty line, with their line ends. */
  readonly headBytesMax: number
  /** Of the start line alone. */
  readonly lineBytesMax: number
  readonly fieldsMax: number
}

/** Of what a chunked body carries besides data; all of it is thrown away. */
export interface ChunkLimits {
  /** Of one chunk-size line, with its extensions. */
  readonly chunkLineBytesMax: number
  /** Of the trailer section. */
  readonly trailerBytesMax: number
}

/** Enough for every client we know. */
export const defaultHeadLimits: HeadLimits = {
  headBytesMax: 32_768,
  lineBytesMax: 16_384,
  fieldsMax: 256,
}

/** Room for the chunk signatures of object stores and for gRPC's trailers. */
export const defaultChunkLimits: ChunkLimits = { chunkLineBytesMax: 256, trailerBytesMax: 4_096 }
