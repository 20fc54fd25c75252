/** Policy: `Actor` x `Captured` -> `Decision`. No I/O, no clock: same input, same answer. */
export { compilePolicy } from './policy/compile.ts'
export type { Explanation, Policy } from './policy/compile.ts'
export type { AddressDecision, AddressTarget } from './policy/egress.ts'
export { PolicyError } from './policy/errors.ts'
export type { PolicyErrorCode } from './policy/errors.ts'
export { compileReading } from './policy/reading.ts'
export type { Reading, ReadingConfig, ReadRoute } from './policy/reading.ts'
export type { Step } from './policy/verdict.ts'
