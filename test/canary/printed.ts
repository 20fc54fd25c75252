// Expected: eslint(no-console).
export function tell(): void {
  console.log('stdout is data')
}
