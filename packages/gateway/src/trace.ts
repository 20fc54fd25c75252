/** The door of `trace`: transactions -> `Trail`, the request and what it caused, in order. It stores nothing. */
export { trailOf } from './trace/trail.ts'
export type { Trail, TrailStep } from './trace/trail.ts'
