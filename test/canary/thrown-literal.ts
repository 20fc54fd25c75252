// Expected: typescript(only-throw-error).
export function refuse(): never {
  throw 'no'
}
