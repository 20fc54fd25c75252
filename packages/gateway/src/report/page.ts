import type { Operation } from './operation.ts'
export const PAGE_POLICY = "default-src 'none'"
export function descriptionPage(operations: readonly Operation[]): string {
  return String(operations.length)
}
