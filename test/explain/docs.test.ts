import { readFile } from 'node:fs/promises'
import t from 'tap'
import { docsOfReason, type ReasonTable } from '../../lib/route/reason-docs.ts'

/** The types of words, and the tables they stand in. */
const tables: ReadonlyArray<readonly [type: string, table: ReasonTable, heading: string]> = [
  ['BypassReason', 'bypass', '## Bypass reasons'],
  ['MissReason', 'miss', '## Miss reasons'],
  ['StaleReason', 'stale', '## Stale reasons'],
  ['RefusalReason', 'refusal', '## Refusal reasons'],
  ['NotStoredReason', 'not-stored', '## Not-stored reasons']
]

t.test('every word of Cache-Status has an anchor in the table that it belongs to', async (t) => {
  const source = await readFile('lib/http/cache-status.ts', 'utf8')
  const page = await readFile('docs/what-is-cached.md', 'utf8')
  for (const [type, table, heading] of tables) {
    const words = wordsOf(source, type)
    t.ok(words.length > 2, `${type} has ${words.length} words`)
    const section = page.slice(page.indexOf(heading)).split('\n## ').slice(0, 2).join('').split('\n## ')[0]!
    for (const word of words) {
      const [file, anchor] = docsOfReason(table, word).split('#')
      t.equal(file, 'docs/what-is-cached.md')
      t.ok(section.includes(`<a id="${anchor}"></a>\`${word}\``), `${table}: ${word}`)
      t.equal(page.split(`id="${anchor}"`).length, 2, `${anchor} is there once`)
    }
  }
  for (const anchor of ['guard', 'not-cached']) t.ok(page.includes(`<a id="${anchor}"></a>`), anchor)
})

function wordsOf (source: string, type: string): string[] {
  const [, union] = new RegExp(`export type ${type} =([^/]*?)\\n\\n`).exec(source)!
  return [...union!.matchAll(/'([a-z-]+)'/g)].map((match) => match[1]!)
}
