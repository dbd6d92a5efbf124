import { readdir, readFile } from 'node:fs/promises'
import { posix } from 'node:path'
import { test } from 'tap'
import { findCycle, readImports, type Sources } from './helpers/imports.ts'

/**
 * The layers of lib/, from the bottom up. A file imports from its own layer and from those below it, type imports
 * included. A name that ends with a slash stands for all files of the folder that have no line of their own.
 */
const layers = [
  ['lib/http/', 'lib/errors.ts', 'lib/logger.ts', 'lib/backoff.ts', 'lib/coding.ts', 'lib/deadline.ts', 'lib/leases.ts', 'lib/adaptive-ttl.ts'],
  ['lib/marks/'],
  ['lib/channels.ts', 'lib/stats/', 'lib/events/', 'lib/warming/hot-store.ts', 'lib/leases.ts'],
  ['lib/stored-entry.ts', 'lib/single-flight.ts'],
  ['lib/store/store.ts', 'lib/store/store-facts.ts', 'lib/cache-key.ts', 'lib/fills/'],
  ['lib/store/'],
  ['lib/variants.ts', 'lib/response-cache.ts'],
  ['lib/options/', 'lib/warming/'],
  ['lib/functions/', 'lib/advice/'],
  ['lib/client/', 'lib/inspect/', 'lib/route/', 'lib/audit/inputs.ts', 'lib/audit/advice.ts', 'lib/audit/recorded-request.ts', 'lib/audit/route-audit.ts'],
  ['lib/audit/'],
  ['lib/create-cache.ts', 'lib/decorators.ts'],
  ['lib/plugin.ts', 'lib/metrics/', 'lib/admin/', 'lib/cli/'],
  ['lib/index.ts']
]

/** Who may know these packages. Every other dependency may be used anywhere above lib/http/. */
const homes: Record<string, string[]> = {
  fastify: ['lib/index.ts', 'lib/plugin.ts', 'lib/route/', 'lib/options/', 'lib/audit/', 'lib/admin/'],
  'light-my-request': ['lib/route/'],
  commander: ['lib/cli/'],
  'cli-table3': ['lib/cli/'],
  '@opentelemetry/api': ['lib/metrics/'],
  'fastify-plugin': ['lib/plugin.ts', 'lib/index.ts'],
  redis: ['lib/store/']
}

test('imports in lib point down, Fastify and Redis stay where they are known', async (t) => {
  const manifest = JSON.parse(await readFile('package.json', 'utf8')) as Record<string, Record<string, string>>
  const dependencies = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })
  const sources = await readSources('lib')
  t.ok(sources.size > 20, `${sources.size} files`)
  t.strictSame(violations(sources, dependencies), [])
})

test('each broken rule is found', async (t) => {
  const broken: Array<[string, Record<string, string>]> = [
    ['lib/errors.ts imports up: lib/plugin.ts', {
      'lib/errors.ts': "import type { Plugin } from './plugin.ts'",
      'lib/plugin.ts': ''
    }],
    ['lib/store/store.ts imports up: lib/store/memory-store.ts', {
      'lib/store/store.ts': "export { memory } from './memory-store.ts'",
      'lib/store/memory-store.ts': ''
    }],
    ['lib/http/vary.ts imports from outside lib/http/: lib/errors.ts', {
      'lib/http/vary.ts': "import '../errors.ts'",
      'lib/errors.ts': ''
    }],
    ['lib/http/vary.ts imports from outside lib/http/: lru-cache', { 'lib/http/vary.ts': "import 'lru-cache'" }],
    ['lib/response-cache.ts may not know fastify', { 'lib/response-cache.ts': "type A = import('fastify').FastifyRequest" }],
    ['lib/response-cache.ts may not know fastify', { 'lib/response-cache.ts': "declare module 'fastify' {}" }],
    ['lib/options/a.ts may not know redis', { 'lib/options/a.ts': "const redis = await import('redis')" }],
    ['lib/index.ts imports leftpad, which is no dependency', { 'lib/index.ts': "import pad from 'leftpad'" }],
    ['lib/new/thing.ts has no layer', { 'lib/new/thing.ts': '' }],
    ['lib/index.ts imports lib/gone.ts, which does not exist', { 'lib/index.ts': "import './gone.ts'" }],
    ['lib/plugin.ts keeps state in its module: count', { 'lib/plugin.ts': 'export let count = 0' }],
    ['imports go in a circle: lib/route/a.ts → lib/route/b.ts → lib/route/a.ts', {
      'lib/route/a.ts': "import type { B } from './b.ts'",
      'lib/route/b.ts': "import { a } from './a.ts'"
    }]
  ]
  for (const [expected, sources] of broken) {
    t.strictSame(violations(new Map(Object.entries(sources)), ['fastify', 'redis', 'lru-cache']), [expected])
  }
  const fine = { 'lib/index.ts': "import './errors.ts'", 'lib/errors.ts': "import 'lru-cache'; const a = 1" }
  t.strictSame(violations(new Map(Object.entries(fine)), ['lru-cache']), [])
})

function violations (sources: Sources, dependencies: string[]): string[] {
  const files = readImports(sources)
  const found = files.flatMap(({ name, files, packages, variables }) => [
    ...layerOf(name) === undefined ? [`${name} has no layer`] : [],
    ...files.flatMap(file => wrongFile(name, file, sources)),
    ...packages.flatMap(dependency => wrongPackage(name, dependency, dependencies)),
    ...variables.map(variable => `${name} keeps state in its module: ${variable}`)
  ])
  const cycle = findCycle(files)
  return cycle === undefined ? found : [...found, `imports go in a circle: ${cycle.join(' → ')}`]
}

function wrongFile (name: string, file: string, sources: Sources): string[] {
  if (!sources.has(file)) return [`${name} imports ${file}, which does not exist`]
  if (name.startsWith('lib/http/') && !file.startsWith('lib/http/')) return [outsideHttp(name, file)]
  return (layerOf(file) ?? 0) > (layerOf(name) ?? 0) ? [`${name} imports up: ${file}`] : []
}

function wrongPackage (name: string, dependency: string, dependencies: string[]): string[] {
  if (name.startsWith('lib/http/')) return [outsideHttp(name, dependency)]
  if (!dependencies.includes(dependency)) return [`${name} imports ${dependency}, which is no dependency`]

  const home = homes[dependency]
  return home === undefined || home.some(place => isIn(name, place)) ? [] : [`${name} may not know ${dependency}`]
}

function outsideHttp (name: string, what: string): string {
  return `${name} imports from outside lib/http/: ${what}`
}

function layerOf (name: string): number | undefined {
  const own = layers.findIndex(layer => layer.includes(name))
  const layer = own === -1 ? layers.findIndex(layer => layer.some(place => isIn(name, place))) : own
  return layer === -1 ? undefined : layer
}

function isIn (name: string, place: string): boolean {
  return place.endsWith('/') ? name.startsWith(place) : name === place
}

async function readSources (folder: string): Promise<Sources> {
  const names = (await readdir(folder, { recursive: true })).filter(name => name.endsWith('.ts'))
  const files = names.map(name => posix.join(folder, name.replaceAll('\\', '/')))
  return new Map(await Promise.all(files.map(async file => [file, await readFile(file, 'utf8')] as const)))
}
