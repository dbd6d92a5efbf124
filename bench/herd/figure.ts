import { fileURLToPath, pathToFileURL } from 'node:url'
import { printTable } from '../../examples/places/table.ts'
import { builtProgram } from '../../test/helpers/built-program.ts'

/** What all figures stand on. */
export interface Ground {
  readonly redisUrl: string
  /** URL of the library, as JavaScript. */
  readonly library: string
}

/** The library as it is in the sources. Built, as users install it: tsx names every function it makes, which costs more than some of what is measured. */
export async function builtLibrary (): Promise<string> {
  return pathToFileURL(await builtProgram(fileURLToPath(new URL('../../lib/index.ts', import.meta.url)))).href
}

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
