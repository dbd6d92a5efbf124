import { build } from 'esbuild'
import { basename, join } from 'node:path'

/**
 * A program, by its path, and the library as one file of JavaScript, written into `into`, which has to be somewhere in this project. It
 * starts in half the time that tsx takes, which counts where a test starts many. The program may not look for files beside it.
 */
export async function builtProgram (file: string, into: string): Promise<string> {
  const outfile = join(into, `${basename(file)}.mjs`)
  await build({
    entryPoints: [file],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error'
  })
  return outfile
}
