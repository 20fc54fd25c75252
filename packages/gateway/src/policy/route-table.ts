/**
 * Routes compiled into a tree of segments. Literal segments beat `{param}`, and `{rest...}` comes last; a branch
 * that does not take the method is left again, so `POST /a/new` does not hide `GET /a/{id}`.
 */
import { decodeSegment } from '../config/schema.ts'
import type { RouteTemplate } from '../config/schema.ts'

interface Node<Route> {
  readonly literals: Map<string, Node<Route>>
  param: Node<Route> | undefined
  readonly methods: Map<string, Route>
  /** Methods of a `{rest...}` that begins here. */
  readonly rest: Map<string, Route>
}

/** What a look-up found: a route, or that the path is known under other methods only. */
export interface RouteFound<Route> {
  readonly route: Route | undefined
  readonly pathKnown: boolean
}

export interface RouteTable<Route> {
  readonly root: Node<Route>
}

interface Lookup {
  readonly method: string
  readonly segments: readonly string[]
  pathKnown: boolean
}

/** Segments of a request path; one more is no route. */
const segmentsMax = 256

export function createRouteTable<Route>(): RouteTable<Route> {
  return { root: createNode() }
}

/** @returns the route that already stands in this place, in which case nothing was added. */
export function addRoute<Route>(
  table: RouteTable<Route>,
  template: RouteTemplate,
  route: Route,
): Route | undefined {
  let node = table.root
  let methods = node.methods
  for (const segment of template.segments) {
    if (segment.kind === 'rest') {
      methods = node.rest
      break
    }
    node =
      segment.kind === 'literal' ? literalChild(node, segment.text) : (node.param ??= createNode())
    methods = node.methods
  }
  for (const method of template.methods) {
    const standing = methods.get(method)
    if (standing !== undefined) return standing
  }
  for (const method of template.methods) methods.set(method, route)
  return undefined
}

/**
 * Visits each node of the tree at most once (its depth is the segment's index), so a path can not make it slow.
 * @param segments from `splitPath`.
 */
export function findRoute<Route>(
  table: RouteTable<Route>,
  method: string,
  segments: readonly string[],
): RouteFound<Route> {
  const lookup: Lookup = { method, segments, pathKnown: false }
  const route = walk(table.root, 0, lookup)
  return { route, pathKnown: lookup.pathKnown }
}

/**
 * The segments of a canonical absolute path, percent-decoded for matching.
 * @returns undefined for a path that could mean something else upstream: it matches nothing.
 */
export function splitPath(path: string): readonly string[] | undefined {
  if (!path.startsWith('/')) return undefined
  const segments = path.slice(1).split('/')
  if (segments.length > segmentsMax) return undefined
  // Nearly all paths are plain: no escapes, and no segment that starts with a dot.
  if (!path.includes('%') && !path.includes('/.')) return segments
  for (const [at, text] of segments.entries()) {
    const decoded = decodeSegment(text)
    if (decoded === undefined) return undefined
    segments[at] = decoded
  }
  return segments
}

function walk<Route>(node: Node<Route>, at: number, lookup: Lookup): Route | undefined {
  const segment = lookup.segments[at]
  if (segment === undefined) return takeMethod(node.methods, lookup)
  const literal = node.literals.get(segment)
  let route = literal === undefined ? undefined : walk(literal, at + 1, lookup)
  // A parameter stands for something: the empty last segment of `/orders/` is not an id.
  if (route === undefined && node.param !== undefined && segment !== '') {
    route = walk(node.param, at + 1, lookup)
  }
  return route ?? takeMethod(node.rest, lookup)
}

function takeMethod<Route>(methods: Map<string, Route>, lookup: Lookup): Route | undefined {
  if (methods.size === 0) return undefined
  lookup.pathKnown = true
  return (
    methods.get(lookup.method) ??
    (lookup.method === 'HEAD' ? methods.get('GET') : undefined) ??
    methods.get('*')
  )
}

function literalChild<Route>(node: Node<Route>, text: string): Node<Route> {
  const standing = node.literals.get(text)
  if (standing !== undefined) return standing
  const child = createNode<Route>()
  node.literals.set(text, child)
  return child
}

function createNode<Route>(): Node<Route> {
  return { literals: new Map(), param: undefined, methods: new Map(), rest: new Map() }
}
