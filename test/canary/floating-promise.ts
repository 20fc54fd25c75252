// Expected: typescript(no-floating-promises). An un-awaited append is a lost record.
async function append(): Promise<void> {}

export function forget(): void {
  append()
}
