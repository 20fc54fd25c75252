/** Why a configuration can not become a policy. The loader refuses all of these first, with line and column. */
export type PolicyErrorCode =
  | 'POLICY_PATTERN_INVALID'
  | 'POLICY_RANGE_INVALID'
  | 'POLICY_ROLE_UNKNOWN'
  | 'POLICY_ROUTE_AMBIGUOUS'
  | 'POLICY_ROUTE_UNGUARDED'
  | 'POLICY_TEMPLATE_INVALID'
  | 'POLICY_UNTIL_INVALID'

/** The one error of this room: thrown by `compilePolicy` only. Refusals are values. */
export class PolicyError extends Error {
  override readonly name: string = 'PolicyError'
  readonly code: PolicyErrorCode

  constructor(code: PolicyErrorCode, message: string, options?: ErrorOptions) {
    super(`could not compile the policy: ${message}`, options)
    this.code = code
  }
}
