/**
 * The door of `follow`: a published log, read with suspicion. The beginning of the read side: what leaves here is covered by a
 * signed checkpoint, and the cursor is a leaf index.
 */
export { broken, FollowError } from './follow/errors.ts'
export type { FollowErrorCode } from './follow/errors.ts'
export { findTransaction, readLeaf } from './follow/find.ts'
export { follow } from './follow/follow.ts'
export type { Followed, FollowOptions } from './follow/follow.ts'
export { isUrl, openLogSource } from './follow/log-source.ts'
export type { LogSource } from './follow/log-source.ts'
export { mirrorLog } from './follow/mirror-log.ts'
export type { MirroredRound, MirrorLogOptions } from './follow/mirror-log.ts'
export type { Cosign } from './follow/mirror.ts'
export { scrubLog } from './follow/scrub.ts'
export type { CheckedAddenda, ScrubEvent, ScrubOptions } from './follow/scrub.ts'
export type { ScrubState } from './follow/scrub-state.ts'
export type { Alarm } from './follow/scrub-damages.ts'
export { readBundle, readHead, readProven } from './follow/published-log.ts'
export type { Head, ProvenEntry, PublishedLog } from './follow/published-log.ts'
