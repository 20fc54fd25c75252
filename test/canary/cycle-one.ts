// Expected: import(no-cycle), together with cycle-two.ts.
import { two } from './cycle-two.ts'

export const one = (): number => two() + 1
