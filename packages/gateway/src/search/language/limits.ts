/** How much a question may say. Past any of these it is refused with `SEARCH_SYNTAX`, before anything is asked. */

/** UTF-16 units of the text of a question; of all values together where it comes as JSON. */
export const QUESTION_CHARACTERS_MAX = 4096
/** Conditions in a question: a list of values is one, a range is two. */
export const TERMS_MAX = 100
/** Brackets and NOTs inside each other. */
export const DEPTH_MAX = 20
/** Values in one list. */
export const LIST_VALUES_MAX = 1000
/** Words in one text. ClickHouse itself looks for 64 at most. */
export const WORDS_MAX = 32
/** 64-bit integers, as the index stores numbers, times and durations. */
export const INT64_MAX = 2n ** 63n - 1n
