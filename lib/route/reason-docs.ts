/** Words that are in two tables of the page, with the table that is not meant by the word alone. */
const OTHERS: ReadonlySet<string> = new Set([
  'bypass no-store', 'not-stored credentials', 'not-stored function-error', 'not-stored store-error', 'stale hard-timeout', 'refusal overloaded'
])

export type ReasonTable = 'bypass' | 'miss' | 'stale' | 'refusal' | 'not-stored'

/** Where a word of `Cache-Status` is documented. */
export function docsOfReason (table: ReasonTable, word: string): string {
  return `docs/what-is-cached.md#${OTHERS.has(`${table} ${word}`) ? `${table}-${word}` : word}`
}
