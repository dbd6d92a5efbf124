import { printTable } from '../../examples/places/table.ts'

/** What all figures stand on. */
export interface Ground {
  readonly redisUrl: string
  /** URL of the library: its source, or a compiled form. */
  readonly library: string
}

/** The library as it is in the sources. */
export const SOURCE = new URL('../../lib/index.ts', import.meta.url).href

/** What one figure shows. `broken` names the promises that were not kept. */
export interface Figure {
  readonly title: string
  readonly headings: string[]
  readonly rows: string[][]
  readonly notes: string[]
  readonly broken: string[]
}

export function printFigure ({ title, headings, rows, notes, broken }: Figure): void {
  console.log(`\n## ${title}`)
  printTable(headings, rows)
  console.log()
  for (const note of notes) console.log(note)
  for (const promise of broken) console.log(`BROKEN: ${promise}`)
  if (broken.length === 0) console.log('All promises of this figure were kept.')
}
