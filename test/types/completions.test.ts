import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import ts from 'typescript'
import { compilerOptions } from '../helpers/type-problems.ts'

const file = join(import.meta.dirname, 'in-an-editor.ts')
const start = `import Fastify from 'fastify'
import responseCache from 'fastify-response-cache'
const app = Fastify()
`

let text = start
let version = 0
const service = ts.createLanguageService({
  getCompilationSettings: compilerOptions,
  getCurrentDirectory: () => import.meta.dirname,
  getDefaultLibFileName: ts.getDefaultLibFilePath,
  getScriptFileNames: () => [file],
  getScriptVersion: name => name === file ? String(version) : '1',
  getScriptSnapshot: name => exists(name) ? ts.ScriptSnapshot.fromString(read(name)) : undefined,
  fileExists: exists,
  readFile: read,
  directoryExists: ts.sys.directoryExists,
  getDirectories: ts.sys.getDirectories
})

function exists (name: string): boolean {
  return name === file || ts.sys.fileExists(name)
}

function read (name: string): string {
  return name === file ? text : readFileSync(name, 'utf8')
}

/** What an editor offers at `|`, asked of the same language service that editors use. */
function complete (source: string): string[] {
  version++
  text = start + source.replace('|', '')
  const found = service.getCompletionsAtPosition(file, start.length + source.indexOf('|'), {})
  return found?.entries.map(({ name }) => name) ?? []
}

const routeOptions = [
  'namespace', 'ttl', 'varyByUser', 'varyByQuery', 'varyByHeaders', 'varyByCookies', 'varyByBody', 'key', 'skip', 'shared',
  'storeIf', 'tags', 'invalidates', 'hook', 'unguarded', 'statusCodes', 'maxBytes',
  'lock', 'staleWhileRevalidate', 'staleIfError', 'refreshThrottle', 'softTimeout', 'hardTimeout', 'refreshAhead', 'jitter', 'adaptiveTtl', 'maxConcurrentFills',
  'revalidate', 'obeyRequestDirectives', 'downstream', 'compress'
]

test('config.cache offers its options, and only them', async (t) => {
  t.strictSame(complete("app.get('/', { config: { cache: { | } } }, async () => 1)").toSorted(), routeOptions.toSorted())
  t.ok(complete("app.get('/', { config: { | } }, async () => 1)").includes('cache'))
})

test('ttl offers the named lifetimes', async (t) => {
  const names = complete("app.get('/', { config: { cache: { ttl: '|' } } }, async () => 1)")
  for (const name of ['short', 'medium', 'long', 'day', 'http']) t.ok(names.includes(name), name)
})

test('what a response may be compressed with, and where a CDN finds its tags, is offered', async (t) => {
  const codings = complete("app.get('/', { config: { cache: { ttl: 1, compress: '|' } } }, async () => 1)")
  t.strictSame(codings.filter(Boolean).toSorted(), ['br', 'gzip', 'zstd'])
  t.strictSame(complete("app.get('/', { config: { cache: { ttl: 1, downstream: { | } } } }, async () => 1)").toSorted(), ['cdnMaxAge', 'maxAge', 'tags'])
  t.strictSame(complete("app.get('/', { config: { cache: { ttl: 1, downstream: { tags: '|' } } } }, async () => 1)").filter(Boolean).toSorted(), ['cache-tag', 'surrogate-key'])
})

test('hook offers the two places', async (t) => {
  const names = complete("app.get('/', { config: { cache: { hook: '|' } } }, async () => 1)")
  for (const name of ['preHandler', 'onRequest']) t.ok(names.includes(name), name)
})

test('functions offer the request', async (t) => {
  const request = complete("app.get('/', { config: { cache: { ttl: 1, skip: (request) => request.| } } }, async () => 1)")
  for (const name of ['params', 'query', 'body', 'user', 'headers', 'url']) t.ok(request.includes(name), name)
})

test('the plugin and app.cache offer what they have', async (t) => {
  const options = complete('app.register(responseCache, { | })')
  for (const name of ['redis', 'prefix', 'memory', 'namespaces', 'defaults', 'ttls', 'debugHeaders', 'targetedFields', 'audit']) t.ok(options.includes(name), name)
  t.strictSame(complete("app.register(responseCache, { audit: '|' })").filter(Boolean).toSorted(), ['refuse', 'warn'])
  const client = complete('app.cache.|')
  for (const name of ['get', 'set', 'getOrSet', 'close']) t.ok(client.includes(name), name)
})
