// Expected: eslint(max-depth).
export function count(list: readonly number[][][]): number {
  let sum = 0
  for (const one of list) {
    for (const two of one) {
      for (const three of two) {
        if (three > 0) sum += three
        else {
          if (three < -1) sum -= three
        }
      }
    }
  }
  return sum
}
