// Expected: typescript(no-explicit-any).
export function read(input: any): string {
  return String(input)
}
