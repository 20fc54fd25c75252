/** Which bytes may stand where in a message head: RFC 9110, section 5.5 and 5.6.2; RFC 9112, section 3.2. */

export const tab = 0x09
export const lf = 0x0a
export const cr = 0x0d
export const space = 0x20
export const colon = 0x3a
export const semicolon = 0x3b
export const equals = 0x3d

function table(member: (code: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => (member(code) ? 1 : 0))
}

/** 1 for the characters of a method, a header name, a chunk extension. */
export const isToken: Uint8Array = table((code) =>
  /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(code)),
)

/** 1 for the characters of a header value or reason phrase: visible, space, tab, and bytes above 0x7f. */
export const isValue: Uint8Array = table((code) => code === tab || (code >= space && code !== 0x7f))

/** 1 for the characters of a request target: visible ASCII; which of them a target may hold is judged later. */
export const isTarget: Uint8Array = table((code) => code > space && code < 0x7f)

/** The value of a hexadecimal digit, 255 for every other byte. */
export const hexValue: Uint8Array = Uint8Array.from({ length: 256 }, (_, code) => {
  const char = String.fromCharCode(code)
  return /[0-9A-Fa-f]/.test(char) ? Number.parseInt(char, 16) : 255
})
