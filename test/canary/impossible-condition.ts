// Expected: oxc(const-comparisons). The condition can never hold.
export function inRange(size: number): boolean {
  return size > 5 && size < 3
}
