import { copyFile, readdir, realpath, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { before, test, testdir } from 'tap'
import { runPlain } from './helpers/plain-process.ts'

/** The package as people get it: packed, and installed with npm into an empty folder. */

t.setTimeout(300_000)

const root = join(import.meta.dirname, '..')
const programs = join(import.meta.dirname, 'package')

let folder: string
let packed: string[]

before(async () => {
  folder = await realpath(testdir({ 'package.json': '{ "private": true, "type": "module" }' }))
  const report = await npm(['pack', '--json', '--pack-destination', folder], root)
  const [{ filename, files }] = JSON.parse(report.slice(report.search(/^\[/m))) as PackReport
  packed = files.map(file => file.path)
  await npm([
    'install', '--no-audit', '--no-fund', '--prefer-offline', `./${filename}`, 'fastify@5', '@types/node@20',
    'typescript-6@npm:typescript@~6.0.3', 'typescript-7@npm:typescript@7'
  ], folder)
  for (const name of await readdir(programs)) await copyFile(join(programs, name), join(folder, name))
})

type PackReport = [{ filename: string, files: Array<{ path: string }> }]

test('the tarball has the compiled code and what a reader needs, nothing else', async (t) => {
  const sources = (await readdir(join(root, 'lib'), { recursive: true })).filter(name => name.endsWith('.ts'))
  const compiled = sources
    .map(name => name.replaceAll('\\', '/').slice(0, -'.ts'.length))
    .flatMap(name => [`dist/${name}.js`, `dist/${name}.js.map`, `dist/${name}.d.ts`])
  const page = (await readdir(join(root, 'lib/admin/dashboard'), { recursive: true })).filter(name => /\.(?:js|css|svg|html)$/.test(name)).map(name => `dist/admin/dashboard/${name.replaceAll('\\', '/')}`)
  const docs = (await readdir(join(root, 'docs'), { recursive: true })).map(name => `docs/${name.replaceAll('\\', '/')}`).filter(name => name.endsWith('.md') || /^docs\/grafana\/.+/.test(name))
  const expected = [...compiled, ...page, ...docs, 'CHANGELOG.md', 'LICENSE', 'README.md', 'package.json']
  t.strictSame(packed.toSorted(), expected.toSorted())
})

test('an ESM program gets MISS, then HIT, and does not load redis for it', async (t) => {
  const { code, stdout, stderr } = await node('program.mjs')
  t.equal(code, 0, stderr)
  t.strictSame(JSON.parse(stdout), { redisLoaded: false, redisLoadedOnceImported: true })
  t.equal(stderr, '')
})

test('a CommonJS program gets MISS, then HIT', async (t) => {
  const { code, stderr } = await node('program.cjs')
  t.equal(code, 0, stderr)
  // Some versions of Node say so of the first require() of an ES module.
  const others = stderr.split('\n').filter(line => !/^\(node:\d+\) ExperimentalWarning:|^\(Use `node --trace-w|^$/.test(line))
  t.strictSame(others, [])
})

for (const compiler of ['typescript-6', 'typescript-7']) {
  test(`a program compiles against the types with ${compiler}, libraries included`, async (t) => {
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({
      compilerOptions: { module: 'nodenext', target: 'es2023', strict: true, noEmit: true, skipLibCheck: false, types: ['node'] },
      files: ['consumer.ts']
    }))
    const { code, stdout, stderr } = await node(`node_modules/${compiler}/bin/tsc`, '--project', '.')
    t.equal(code, 0, stdout + stderr)
  })
}

async function node (...args: string[]) {
  return await runPlain(process.execPath, args, { cwd: folder })
}

async function npm (args: string[], cwd: string): Promise<string> {
  const { code, stdout, stderr } = await runPlain('npm', args, { cwd })
  if (code !== 0) throw new Error(`npm ${args.join(' ')} failed:\n${stdout}\n${stderr}`)
  return stdout
}
