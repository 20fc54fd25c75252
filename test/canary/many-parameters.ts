// Expected: eslint(max-params).
export function add(one: number, two: number, three: number, four: number): number {
  return one + two + three + four
}
