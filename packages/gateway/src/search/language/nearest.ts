/** What somebody may have meant. */

/** The known word that a mistyped one is closest to, unless all are far from it. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const written = word.toLowerCase().slice(0, 64)
  const distances = known.map((one) => ({
    one,
    distance: distanceBetween(written, one.toLowerCase()),
  }))
  const [best] = distances.toSorted((a, b) => a.distance - b.distance)
  return best !== undefined && best.distance <= Math.max(1, Math.floor(written.length / 3))
    ? best.one
    : undefined
}

/** Edits from one word to the other: a letter more, a letter less, another letter, two letters swapped. */
function distanceBetween(from: string, to: string): number {
  let before: number[] = []
  let row = Array.from({ length: to.length + 1 }, (_, at) => at)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1] ? 0 : 1
      const edits = [(row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + same]
      const swapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]
      if (swapped) edits.push((before[j - 2] ?? 0) + 1)
      next.push(Math.min(...edits))
    }
    before = row
    row = next
  }
  return row[to.length] ?? 0
}
