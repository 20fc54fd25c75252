/**
 * The one spelling of a path. What is decided on, recorded and forwarded is this, so a server behind the
 * gateway can not read another path than policy did. Attacker-controlled.
 */
import type { DefectName } from './defects.ts'

/** Origin-form: canonical path, and what followed the first question mark. */
export interface CanonicalTarget {
  readonly path: string
  readonly query: string | undefined
}

// Segments that begin with a dot, empty segments and escapes take the slow way.
const plain = /^(?:\/[A-Za-z0-9_~!$&'()*+,;=:@-][A-Za-z0-9._~!$&'()*+,;=:@-]*)+\/?$/
const plainQuery = /^[\x21-\x7e]*$/

/** Canonicalises `/path?query`: dot segments resolved, empty segments merged, unreserved characters decoded, escapes upper-case. */
export function canonicalTarget(target: string): CanonicalTarget | DefectName {
  if (target.includes('#')) return 'target_fragment'
  const mark = target.indexOf('?')
  const written = mark === -1 ? target : target.slice(0, mark)
  const query = mark === -1 ? undefined : target.slice(mark + 1)
  if (query !== undefined && !plainQuery.test(query) && badCharacter.test(query))
    return 'target_character'
  const path = written === '/' || plain.test(written) ? written : canonicalPath(written)
  if (typeof path !== 'string') return path.defect
  return { path, query: query === undefined || plainQuery.test(query) ? query : escapeHigh(query) }
}

// Space, controls, delete, and what no byte can be.
const badCharacter = /[^\x21-\x7e\x80-\xff]/

interface Refused {
  readonly defect: DefectName
}

function canonicalPath(written: string): string | Refused {
  if (!written.startsWith('/')) return { defect: 'target_form' }
  if (badCharacter.test(written)) return { defect: 'target_character' }
  const kept: string[] = []
  let last = ''
  for (const segment of written.slice(1).split('/')) {
    const canonical =
      segment.includes('%') || oddCharacter.test(segment) ? canonicalSegment(segment) : segment
    if (typeof canonical !== 'string') return canonical
    if (/^\.\.?(?:;|%3B)/.test(canonical)) return { defect: 'path_dot_parameter' }
    last = canonical
    if (canonical === '..') kept.pop()
    else if (canonical !== '' && canonical !== '.') kept.push(canonical)
  }
  // RFC 3986, section 5.2.4: a path that ends in "/", "/." or "/.." names a folder.
  const folder = (last === '' || last === '.' || last === '..') && kept.length > 0
  return `/${kept.join('/')}${folder ? '/' : ''}`
}

// Whatever is neither pchar nor "%" goes upstream escaped; a backslash does not go at all.
const oddCharacter = /[^A-Za-z0-9._~!$&'()*+,;=:@-]/

/** One segment, escapes made canonical. */
function canonicalSegment(segment: string): string | Refused {
  let out = ''
  for (let at = 0; at < segment.length; at += 1) {
    const char = segment[at] ?? ''
    if (char === '\\') return { defect: 'path_backslash' }
    if (char !== '%') {
      out += oddCharacter.test(char) ? escape(char.charCodeAt(0)) : char
      continue
    }
    const digits = segment.slice(at + 1, at + 3)
    if (!/^[0-9A-Fa-f]{2}$/.test(digits)) return { defect: 'path_percent' }
    const code = Number.parseInt(digits, 16)
    if (code === 0x2f) return { defect: 'path_encoded_slash' }
    if (code === 0x5c) return { defect: 'path_backslash' }
    if (code < 0x20 || code === 0x7f) return { defect: 'path_encoded_control' }
    const decoded = String.fromCharCode(code)
    out += /[A-Za-z0-9._~-]/.test(decoded) ? decoded : escape(code)
    at += 2
  }
  return out
}

function escape(code: number): string {
  return `%${code.toString(16).toUpperCase().padStart(2, '0')}`
}

function escapeHigh(text: string): string {
  return text.replaceAll(/[\x80-\xff]/g, (char) => escape(char.charCodeAt(0)))
}
