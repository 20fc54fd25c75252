// Expected: typescript(no-misused-promises). `forEach` drops the promises: nobody waits, nobody hears of a failure.
export function appendAll(
  drafts: readonly string[],
  append: (draft: string) => Promise<void>,
): void {
  drafts.forEach(async (draft) => {
    await append(draft)
  })
}
