/**
 * Takes secrets out of what is about to be stored, by the name they go under and by the shape they have.
 * Says `[redacted]` rather than omitting, so that a reader knows that something was there.
 */
import type { Header } from '@countersign/record/vocabulary'

/** What stands where a secret stood. */
export const redacted = '[redacted]'

const secretHeaders: ReadonlySet<string> = new Set([
  'authorization',
  'cookie',
  'set-cookie',
  'proxy-authorization',
  'x-api-key',
  'api-key',
  'apikey',
  'x-auth-token',
  'x-access-token',
  'x-amz-security-token',
  'x-csrf-token',
  'x-xsrf-token',
  'x-vault-token',
  'private-token',
])
// What ends in such a word, perhaps with what says which of several: `password`, `password_confirmation`, `newSecret2`.
const secretWords =
  /(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|(?:api|private|access|secret|signing|encryption|session)[_-]?key|credential|authorization|signature|bearer|jwt|cookie|session[_-]?id|cvv|cvc|card[_-]?number|pin|otp|ssn|(?:^|[^a-z])(?:pan|sig))s?(?:[_-]?(?:confirm(?:ation)?|again|repeat|value|new|old|\d+))*$/i

/** Whether a JSON or form key names a secret: `password`, `client_secret`, `accessToken`... */
export function isSecretKey(key: string): boolean {
  return secretWords.test(key)
}

/** Headers as they may be stored. */
export function redactHeaders(headers: readonly Header[]): Header[] {
  return headers.map(([name, value]) => [
    name,
    secretHeaders.has(name) || isSecretKey(name) ? redacted : redactShapes(redactPairs(value)),
  ])
}

/** A body as it may be stored. @param contentType decides whether it is read as JSON or a form. */
export function redactBody(body: Buffer, contentType: string | undefined): Buffer {
  if (contentType !== undefined && /[/+]json\b/i.test(contentType)) {
    const whole = parseJson(body)
    if (whole !== undefined) return Buffer.from(JSON.stringify(redactJson(whole.value)))
  }
  if (contentType !== undefined && /^multipart\/form-data\b/i.test(contentType))
    return Buffer.from(redactShapes(redactParts(body.toString('latin1'))), 'latin1')
  // Latin-1 maps bytes to characters one to one: what is not a secret comes out as the bytes that came in.
  return Buffer.from(redactShapes(redactPairs(body.toString('latin1'))), 'latin1')
}

/** A text that a client chose, as it may be stored: what has the shape of a secret is replaced, and so is the value of a secret key. */
export function redactText(text: string): string {
  return mayHoldSecret.test(text) ? redactShapes(redactPairs(text)) : text
}

/** A request line as it may be stored, also one that is none: its path and query as in a request, the rest by shape. */
export function redactRequestLine(line: string): string {
  return line
    .split(' ')
    .map((word) => {
      // Credentials before the host of an absolute form.
      const plain = word.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#@]*@/i, `$1${redacted}@`)
      const question = plain.indexOf('?')
      if (question === -1) return redactPath(plain)
      return `${redactPath(plain.slice(0, question))}?${redactQuery(plain.slice(question + 1))}`
    })
    .join(' ')
    .replace(/\b(Bearer|Basic|Digest|Token) .*$/i, `$1 ${redacted}`)
}

/** A path as it may be stored: a segment that has the shape of a secret is replaced whole. */
export function redactPath(path: string): string {
  if (path.length < 8 || !mayHoldSecret.test(path)) return path
  return path.split('/').map(redactEncoded).join('/')
}

/** A query as it may be stored: values of secret keys and values in the shape of a secret are replaced whole. */
export function redactQuery(query: string): string {
  return query
    .split('&')
    .map((pair) => {
      const equals = pair.indexOf('=')
      if (equals === -1) return redactEncoded(pair)
      const name = pair.slice(0, equals)
      return `${name}=${isSecretKey(decoded(name)) ? redacted : redactEncoded(pair.slice(equals + 1))}`
    })
    .join('&')
}

// A quick look, so that most paths cost one regular expression.
const mayHoldSecret = /eyJ|[%=]|bearer|basic|digest|token|BEGIN|\d(?:[ -]?\d){12}/i

function redactEncoded(text: string): string {
  const plain = decoded(text)
  return redactShapes(redactPairs(plain)) === plain ? text : redacted
}

function decoded(text: string): string {
  if (!/[%+]/.test(text)) return text
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    // Not UTF-8 once decoded: looked at as it is.
    return text
  }
}

/** Secrets by shape: private keys, JWTs, `Bearer` and `Basic` credentials, card numbers. */
export function redactShapes(text: string): string {
  if (text.length < 8) return text
  return (
    text
      .replaceAll(
        /-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]*(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|$)/g,
        redacted,
      )
      .replaceAll(/\beyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*){0,3}/g, redacted)
      .replaceAll(/\b(Bearer|Basic|Digest|Token) +[\w.~+/=-]{6,}/gi, `$1 ${redacted}`)
      // Not the digits of a fraction; a full stop behind it ends a sentence.
      .replaceAll(/(?<!\d|\d\.)\d(?:[ -]?\d){12,18}(?!\d|\.\d)/g, (digits) =>
        isCardNumber(digits) ? redacted : digits,
      )
  )
}

function parseJson(body: Buffer): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(body.toString('utf8')) }
  } catch {
    // Cut off at the limit, or not JSON after all: the pairs are found by pattern instead.
    return undefined
  }
}

function redactJson(value: unknown): unknown {
  if (typeof value === 'string') return redactShapes(value)
  if (typeof value === 'number') return isCardNumber(String(value)) ? redacted : value
  if (Array.isArray(value)) return value.map(redactJson)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      key,
      isSecretKey(key) ? redacted : redactJson(member),
    ]),
  )
}

/** `"key": "value"`, also cut off in the middle, and `key=value` of forms. */
function redactPairs(text: string): string {
  return text
    .replaceAll(
      /"([^"\\]{1,64})"(\s*:\s*)(?:"(?:[^"\\]|\\.)*(?:"|$)|[^\s,"{}[\]]+)/g,
      (pair, key: string, colon: string) =>
        isSecretKey(key) ? `"${key}"${colon}"${redacted}"` : pair,
    )
    .replaceAll(/(^|[&?\s;])([\w.[\]-]{1,64})=([^&\s;]*)/g, (pair, before: string, key: string) =>
      isSecretKey(key) ? `${before}${key}=${redacted}` : pair,
    )
}

/** The parts of a form with files whose names say that they are secret. */
function redactParts(text: string): string {
  return text.replaceAll(
    /(\bname="([^"\r\n]{1,64})"[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n)[^]*?(?=\r\n--|$)/g,
    (part, head: string, name: string) => (isSecretKey(name) ? `${head}${redacted}` : part),
  )
}

/** 13 to 19 digits with a right check digit (Luhn). */
function isCardNumber(text: string): boolean {
  const digits = text.replaceAll(/[ -]/g, '')
  if (!/^\d{13,19}$/.test(digits) || /^0+$/.test(digits)) return false
  let sum = 0
  for (let at = 0; at < digits.length; at += 1) {
    const digit = Number(digits[digits.length - 1 - at])
    const doubled = at % 2 === 1 ? digit * 2 : digit
    sum += doubled > 9 ? doubled - 9 : doubled
  }
  return sum % 10 === 0
}
