import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import ts from 'typescript'
import { compilerOptions } from './type-problems.ts'

const root = join(import.meta.dirname, '..', '..')
const build: ts.CompilerOptions = { ...compilerOptions(), module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler, noEmit: false, rewriteRelativeImportExtensions: true }

/**
 * Makes a folder of this project one of its own, in which the package is installed, built and not type-checked: for tests that start many
 * programs. With JavaScript they take a third of the time.
 */
export async function installPackage (folder: string): Promise<void> {
  const own = join(folder, 'node_modules', 'fastify-response-cache')
  await cp(join(root, 'lib', 'admin', 'dashboard'), join(own, 'dist', 'admin', 'dashboard'), { recursive: true })
  for (const file of await readdir(join(root, 'lib'), { recursive: true })) {
    if (file.endsWith('.ts')) await writeJavaScript(join(root, 'lib', file), join(own, 'dist', file.replace(/ts$/, 'js')))
  }
  await cp(join(root, 'package.json'), join(own, 'package.json'))
  // What is in the folder is not part of this project any more, which would find itself by its name.
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
}

/** Writes a module without its types. */
export async function writeJavaScript (from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true })
  await writeFile(to, ts.transpileModule(await readFile(from, 'utf8'), { compilerOptions: build }).outputText)
}
