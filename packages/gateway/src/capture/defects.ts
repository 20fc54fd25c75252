/**
 * Everything that makes a request unintelligible, by name. The names are for ever: they are in records,
 * in metrics and in docs/spec/http.md, where a test looks for each of them.
 */

/** The status that answers a defect, and the sentence that explains it: what is wrong and what to do. */
interface DefectAnswer {
  readonly status: number
  readonly explanation: string
}

const table = {
  syntax: [
    400,
    'the bytes are not an HTTP/1.1 request; send one request line, header lines and an empty line',
  ],
  headers_too_large: [
    431,
    'the header section exceeds limits.headerBytesMax; send fewer or shorter headers',
  ],
  headers_too_many: [431, 'there are more than 256 header lines; send fewer'],
  headers_timeout: [
    408,
    'the header section took longer than limits.headerTimeout; send it at once',
  ],
  http_version: [505, 'only HTTP/1.1 and HTTP/1.0 are spoken here; HTTP/0.9 and HTTP/2 are not'],
  method: [
    405,
    'the method is not one that is forwarded (TRACE and CONNECT are not, on a reverse listener)',
  ],
  pipeline_too_deep: [
    429,
    'more than 64 requests wait on one connection; read answers before sending more',
  ],

  missing_host: [400, 'there is no Host header; send exactly one'],
  duplicate_host: [400, 'there is more than one Host header; send exactly one'],
  host: [400, 'the host is neither a DNS name nor an address in its usual spelling'],
  host_mismatch: [
    400,
    'the target and the Host header name different authorities; make them equal',
  ],
  duplicate_authorization: [400, 'there is more than one Authorization header; send one'],
  duplicate_content_type: [400, 'there is more than one Content-Type header; send one'],
  duplicate_own_header: [
    400,
    'a header that may occur once (traceparent, x-request-id, x-api-key, proxy-authorization) is repeated',
  ],
  header_name: [400, 'a header name holds a character that is not a letter, digit, "-" or "."'],
  header_name_underscore: [
    400,
    'a header name holds "_", which some servers take for "-"; rename it',
  ],
  header_value: [400, 'a header value holds a control character'],
  connection_names_protected: [
    400,
    'Connection names a header that must reach the other side or that is set here; remove it from Connection',
  ],
  forwarded_conflict: [
    400,
    'Forwarded and X-Forwarded-For name different clients; send only one of them',
  ],

  transfer_encoding: [400, 'Transfer-Encoding must be exactly "chunked", once, on HTTP/1.1'],
  content_length: [400, 'Content-Length must be one plain decimal number, once'],
  length_and_chunked: [400, 'Content-Length and Transfer-Encoding exclude each other; send one'],
  body_not_allowed: [400, 'CONNECT has no body; send none'],
  body_too_large: [413, 'the body exceeds limits.bodyBytesMax'],
  expectation: [417, 'the only expectation that is understood is 100-continue'],

  upgrade_not_declared: [
    400,
    'no route declares an upgrade of the connection; send the request without Upgrade',
  ],
  upgrade_h2c: [
    400,
    'HTTP/2 over cleartext is not spoken here; send the request without Upgrade and HTTP2-Settings',
  ],

  target_form: [400, 'the request target has a form that this listener does not take'],
  target_scheme: [400, 'the scheme of the request target is not the one this listener serves'],
  target_userinfo: [400, 'the request target holds a user name or password; remove it'],
  target_fragment: [400, 'the request target holds "#"; a fragment is not sent to a server'],
  target_character: [
    400,
    'the request target holds a space, a control character or a character above U+00FF',
  ],
  path_percent: [400, 'the path holds "%" without two hexadecimal digits'],
  path_encoded_slash: [
    400,
    'the path holds an encoded slash (%2F), which servers read in two ways',
  ],
  path_backslash: [
    400,
    'the path holds a backslash, plain or encoded (%5C), which servers read in two ways',
  ],
  path_encoded_control: [400, 'the path holds an encoded control character (%00 to %1F, %7F)'],
  path_dot_parameter: [
    400,
    'the path holds a dot segment with a parameter ("..;"), which servers read in two ways',
  ],
} as const satisfies Readonly<Record<string, readonly [status: number, explanation: string]>>

/** Closed vocabulary of what makes a request malformed. */
export type DefectName = keyof typeof table

/** Every defect, in the order of docs/spec/http.md. */
export const defectNames: readonly DefectName[] = Object.keys(table).filter(isDefectName)

/** How a defect is answered. */
export function defectAnswer(name: DefectName): DefectAnswer {
  const [status, explanation] = table[name]
  return { status, explanation }
}

function isDefectName(name: string): name is DefectName {
  return Object.hasOwn(table, name)
}
