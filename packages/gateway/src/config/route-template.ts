/**
 * Route templates, `GET,POST /orders/{id}`: what the configuration checks and what policy matches is one reading.
 */

/** One segment of a path template. Literal text is percent-decoded: `/a:b` and `/a%3Ab` are one segment to match. */
export type TemplateSegment =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'param'; readonly name: string }
  | { readonly kind: 'rest'; readonly name: string }

/** A parsed `match`. `methods` may be `*`; `template` is the path as written, which is what the record keeps. */
export interface RouteTemplate {
  readonly methods: readonly string[]
  readonly template: string
  readonly segments: readonly TemplateSegment[]
  /** Two templates of one shape match the same paths: parameter names do not count. */
  readonly shape: string
}

export type TemplateReading = RouteTemplate | { readonly problem: string }

const parameter = /^\{([A-Za-z_][A-Za-z0-9_]*)(\.\.\.)?\}$/

/** Reads a `match`; what is wrong comes back as a sentence, never as an exception. */
export function parseRouteTemplate(match: string): TemplateReading {
  const space = match.indexOf(' ')
  const methods = match.slice(0, Math.max(space, 0)).split(',')
  const template = match.slice(space + 1)
  if (space < 1 || !template.startsWith('/')) {
    return { problem: "expected 'METHOD /path', for example 'GET /orders/{id}'" }
  }
  if (new Set(methods).size !== methods.length) return { problem: 'a method is named twice' }
  if (methods.includes('CONNECT')) return { problem: 'CONNECT has no path; it is an egress method' }

  const segments: TemplateSegment[] = []
  const names = new Set<string>()
  const texts = template.slice(1).split('/')
  for (const [at, text] of texts.entries()) {
    const segment = parseSegment(text, at === texts.length - 1)
    if ('problem' in segment) return segment
    if (segment.kind !== 'literal') {
      if (names.has(segment.name))
        return { problem: `the parameter {${segment.name}} is named twice` }
      names.add(segment.name)
    }
    segments.push(segment)
  }
  return { methods, template, segments, shape: segments.map(shapeOf).join('/') }
}

function parseSegment(text: string, last: boolean): TemplateSegment | { problem: string } {
  if (text === '' && !last) return { problem: 'the path has an empty segment' }
  if (/[{}]/.test(text)) {
    const [, name = '', dots] = parameter.exec(text) ?? []
    if (name === '') return { problem: `'${text}': a parameter is a whole segment, such as {id}` }
    if (dots === undefined) return { kind: 'param', name }
    return last ? { kind: 'rest', name } : { problem: `{${name}...} must be the last segment` }
  }
  if (/[?#\\]/.test(text))
    return { problem: `'${text}': a template has no query, fragment or backslash` }
  const decoded = decodeSegment(text)
  if (decoded === undefined) return { problem: `'${text}' is not a segment of a canonical path` }
  return { kind: 'literal', text: decoded }
}

function shapeOf(segment: TemplateSegment): string {
  if (segment.kind === 'literal') return encodeURIComponent(segment.text)
  return segment.kind === 'param' ? '{}' : '{...}'
}

/**
 * Percent-decodes one segment of a path, for matching only: what is forwarded stays as it came.
 * @returns undefined for a segment that could mean something else upstream: dot segments, encoded separators, NUL.
 */
export function decodeSegment(text: string): string | undefined {
  const decoded = text.includes('%') ? decodeOrKeep(text) : text
  if (decoded === '.' || decoded === '..') return undefined
  if (decoded !== text && /[/\\\0]/.test(decoded)) return undefined
  return decoded
}

function decodeOrKeep(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // Not UTF-8. Latin-1 keeps it one-to-one, so that it can match a parameter but never a literal by accident.
    return text.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    )
  }
}
