import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import ts from 'typescript'
import { compilerOptions } from '../helpers/type-problems.ts'

const file = join(import.meta.dirname, 'in-an-editor.ts')
/** What somebody has typed so far, up to `|`. In one file, so that the types are checked once. */
const TYPED = {
  cache: "app.get('/', { config: { cache: { | } } }, async () => 1)",
  config: "app.get('/', { config: { | } }, async () => 1)",
  ttl: "app.get('/', { config: { cache: { ttl: '|' } } }, async () => 1)",
  compress: "app.get('/', { config: { cache: { ttl: 1, compress: '|' } } }, async () => 1)",
  downstream: "app.get('/', { config: { cache: { ttl: 1, downstream: { | } } } }, async () => 1)",
  tags: "app.get('/', { config: { cache: { ttl: 1, downstream: { tags: '|' } } } }, async () => 1)",
  hook: "app.get('/', { config: { cache: { hook: '|' } } }, async () => 1)",
  request: "app.get('/', { config: { cache: { ttl: 1, skip: (request) => request.| } } }, async () => 1)",
  plugin: 'app.register(responseCache, { | })',
  audit: "app.register(responseCache, { audit: '|' })",
  client: 'app.cache.|'
}
const start = `import Fastify from 'fastify'
import responseCache from 'fastify-response-cache'
const app = Fastify()
`
const text = start + Object.values(TYPED).map((source) => `${source.replace('|', '')};\n`).join('')

const service = ts.createLanguageService({
  getCompilationSettings: compilerOptions,
  getCurrentDirectory: () => import.meta.dirname,
  getDefaultLibFileName: ts.getDefaultLibFilePath,
  getScriptFileNames: () => [file],
  getScriptVersion: () => '1',
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

/** What an editor offers there, asked of the same language service that editors use. */
function complete (what: keyof typeof TYPED): string[] {
  const at = text.indexOf(TYPED[what].replace('|', '')) + TYPED[what].indexOf('|')
  const found = service.getCompletionsAtPosition(file, at, {})
  return found?.entries.map(({ name }) => name) ?? []
}

const routeOptions = [
  'namespace', 'ttl', 'varyByUser', 'varyByQuery', 'varyByHeaders', 'varyByCookies', 'varyByBody', 'key', 'skip', 'shared',
  'storeIf', 'tags', 'invalidates', 'hook', 'unguarded', 'statusCodes', 'maxBytes',
  'lock', 'staleWhileRevalidate', 'staleIfError', 'refreshThrottle', 'softTimeout', 'hardTimeout', 'refreshAhead', 'jitter', 'adaptiveTtl', 'maxConcurrentFills',
  'revalidate', 'obeyRequestDirectives', 'downstream', 'compress'
]

test('config.cache offers its options, and only them', async (t) => {
  t.strictSame(complete('cache').toSorted(), routeOptions.toSorted())
  t.ok(complete('config').includes('cache'))
})

test('ttl offers the named lifetimes', async (t) => {
  const names = complete('ttl')
  for (const name of ['short', 'medium', 'long', 'day', 'http']) t.ok(names.includes(name), name)
})

test('what a response may be compressed with, and where a CDN finds its tags, is offered', async (t) => {
  const codings = complete('compress')
  t.strictSame(codings.filter(Boolean).toSorted(), ['br', 'gzip', 'zstd'])
  t.strictSame(complete('downstream').toSorted(), ['cdnMaxAge', 'maxAge', 'tags'])
  t.strictSame(complete('tags').filter(Boolean).toSorted(), ['cache-tag', 'surrogate-key'])
})

test('hook offers the two places', async (t) => {
  const names = complete('hook')
  for (const name of ['preHandler', 'onRequest']) t.ok(names.includes(name), name)
})

test('functions offer the request', async (t) => {
  const request = complete('request')
  for (const name of ['params', 'query', 'body', 'user', 'headers', 'url']) t.ok(request.includes(name), name)
})

test('the plugin and app.cache offer what they have', async (t) => {
  const options = complete('plugin')
  for (const name of ['redis', 'prefix', 'memory', 'namespaces', 'defaults', 'ttls', 'debugHeaders', 'targetedFields', 'audit']) t.ok(options.includes(name), name)
  t.strictSame(complete('audit').filter(Boolean).toSorted(), ['refuse', 'warn'])
  const client = complete('client')
  for (const name of ['get', 'set', 'getOrSet', 'close']) t.ok(client.includes(name), name)
})
