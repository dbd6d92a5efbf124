import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The library as users install it: tsx names every function it makes, which costs more than some of what is measured. Below node_modules/, so that its packages are found and nothing is left in the sources. */
export function compileLibrary (): { url: string, remove: () => void } {
  const parent = join(root, 'node_modules', '.cache')
  mkdirSync(parent, { recursive: true })
  const folder = mkdtempSync(join(parent, 'herd-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  process.once('exit', remove)
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json', '--noCheck', '--declaration', 'false', '--outDir', folder], { cwd: root, stdio: 'inherit' })
  if (status !== 0) throw new Error('the library does not compile')
  return { url: pathToFileURL(join(folder, 'index.js')).href, remove }
}
