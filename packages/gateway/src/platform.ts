/** The door of `platform`: clock, durable files, locks, small memory. No word of our domain. */
export type { Clock } from './platform/clock.ts'
export { systemClock } from './platform/clock.ts'
export { replaceFile, syncDirectory, writeDurably } from './platform/durable.ts'
export type { Lock } from './platform/lock.ts'
export { takeLock } from './platform/lock.ts'
export { Lru } from './platform/lru.ts'
export { didYouMean, nearest } from './platform/nearest.ts'
