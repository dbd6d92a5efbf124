import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { builtProgram } from '../helpers/built-program.ts'

/** The library as it is, and as other releases of it could be. */
export type Release = 'this' | 'older' | 'newer' | 'more fields'

const root = join(import.meta.dirname, '..', '..')
const VERSION = /0x465243(\d\d)/

/** The address of a release, which is built from what is written into `folder`. */
export async function buildOf (release: Release, folder: string): Promise<string> {
  if (release === 'this') return await builtFrom(root)
  await cp(join(root, 'lib'), join(folder, 'lib'), { recursive: true })
  const file = join(folder, 'lib', 'stored-entry.ts')
  const source = await readFile(file, 'utf8')
  await writeFile(file, release === 'more fields' ? withFields(source, release) : withFields(withVersion(source, release === 'older' ? -1 : 1), release))
  return await builtFrom(folder)
}

async function builtFrom (folder: string): Promise<string> {
  return pathToFileURL(await builtProgram(join(folder, 'lib', 'index.ts'))).href
}

/** Another byte for the version of the stored format. */
function withVersion (source: string, step: number): string {
  const version = VERSION.exec(source)?.[1]
  if (version === undefined) throw new Error('expected the version of the format in lib/stored-entry.ts')
  return source.replace(VERSION, `0x465243${String(Number(version) + step).padStart(2, '0')}`)
}

/** Entries have a field more, which another version of the format cannot do without. */
function withFields (source: string, release: Release): string {
  const written = replaced(source, 'JSON.stringify(rest)', `JSON.stringify({ ...rest, release: '${release}' })`)
  if (release === 'more fields') return written
  return replaced(written, 'header.body = ', `if (header.release !== '${release}') return undefined\n  header.body = `)
}

function replaced (source: string, from: string, to: string): string {
  if (!source.includes(from)) throw new Error(`expected "${from}" in lib/stored-entry.ts`)
  return source.replace(from, to)
}
