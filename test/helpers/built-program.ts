import { build } from 'esbuild'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'

const CACHE = join(import.meta.dirname, '..', '..', 'node_modules', '.cache')
const built = new Map<string, Promise<string>>()
let folder: string | undefined

/**
 * A program, by its path, and the library as one file of JavaScript: it starts in a third of the time that tsx takes, which counts where a
 * test starts many. It is gone with this process. The program may not look for files beside it.
 */
export async function builtProgram (file: string): Promise<string> {
  const known = built.get(file)
  if (known !== undefined) return await known
  const building = write(file, join(folder ??= ownFolder(), `${built.size}-${basename(file)}.mjs`))
  built.set(file, building)
  return await building
}

async function write (file: string, outfile: string): Promise<string> {
  await build({ entryPoints: [file], outfile, bundle: true, packages: 'external', platform: 'node', format: 'esm', target: 'node20', logLevel: 'error' })
  return outfile
}

/** Below node_modules/, so that packages are found and nothing is left in the sources. */
function ownFolder (): string {
  mkdirSync(CACHE, { recursive: true })
  const own = mkdtempSync(join(CACHE, 'programs-'))
  process.once('exit', () => { rmSync(own, { recursive: true, force: true }) })
  return own
}
