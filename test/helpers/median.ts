/** The number in the middle: of an even count the larger of the two. */
export function median (numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!
}
