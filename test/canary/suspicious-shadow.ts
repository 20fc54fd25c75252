// Expected: eslint(no-shadow), of the category suspicious.
export function outer(size: number): number {
  const inner = (): number => {
    const size = 2
    return size
  }
  return inner() + size
}
