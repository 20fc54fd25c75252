/** Reads what node:http says when bytes are not a request. */
import type { DefectName } from './defects.ts'

/** An error of the `clientError` event. */
export interface ClientError extends Error {
  readonly code?: string
  /** llhttp's own words. */
  readonly reason?: string
  /** The bytes that llhttp was given last. */
  readonly rawPacket?: Buffer
}

const named: Readonly<Record<string, DefectName>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  HPE_INVALID_CONTENT_LENGTH: 'content_length',
  HPE_UNEXPECTED_CONTENT_LENGTH: 'length_and_chunked',
  HPE_INVALID_TRANSFER_ENCODING: 'transfer_encoding',
  HPE_INVALID_HEADER_TOKEN: 'header_name',
  HPE_INVALID_METHOD: 'method',
  HPE_INVALID_URL: 'target_character',
  HPE_INVALID_VERSION: 'http_version',
  HPE_PAUSED_H2_UPGRADE: 'http_version',
  ERR_HTTP_REQUEST_TIMEOUT: 'headers_timeout',
}

/** The defect, or undefined when the socket failed rather than the syntax. */
export function syntaxDefect(error: ClientError): DefectName | undefined {
  const { code = '', reason = '' } = error
  // One code for both halves of a header line, and one for all that may follow a version.
  if (code === 'HPE_INVALID_HEADER_TOKEN' && /header value/i.test(reason)) return 'header_value'
  if (/CRLF/.test(reason)) return 'syntax'
  return named[code] ?? (code.startsWith('HPE_') ? 'syntax' : undefined)
}

const requestLineBytesMax = 1024

/** The request line as it came, cut at 1 KiB. */
export function requestLineOf(packet: Buffer | undefined): string | undefined {
  if (packet === undefined) return undefined
  const start = packet.subarray(0, requestLineBytesMax)
  const end = start.indexOf('\n')
  const line = start.subarray(0, end === -1 ? start.length : end).toString('latin1')
  return line.replace(/\r$/, '')
}
