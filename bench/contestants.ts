/** One server of the bench: a file in servers/, and what is expected of it. */
export interface Contestant {
  name: string
  file: string
  args?: string[]
  /** The handler must not run again once the response is cached. */
  hit: boolean
  /** Expected `X-Cache`, where the contestant sends one. */
  xCache?: string
  needsRedis?: boolean
  /** For the table of peers. */
  description?: string
}

/** Two servers that run in turn; the ratio is requests per second of `subject` over those of `baseline`. */
export interface Comparison {
  id: string
  title: string
  subject: Contestant
  baseline: Contestant
  path: string
  /** Header fields of every request besides the usual ones. */
  headers?: Record<string, string>
  /** What such requests are answered with. Default 200. */
  status?: number
  /** The lowest median ratio that is acceptable; none for rows that are there for information. */
  floor?: number
}

const path = '/places/42'

const bareBuffer: Contestant = { name: 'bare Buffer route', file: 'bare-buffer.js', hit: false, description: 'Fastify route that sends a Buffer it already has, no cache' }
const serialize: Contestant = { name: 'serializing route', file: 'serialize.js', hit: false, description: 'Fastify route that returns the object, no response schema, no cache' }
export const memoryHit: Contestant = { name: 'memory hit', file: 'memory-hit.js', hit: true, xCache: 'HIT', description: 'this plugin, in memory, `config: { cache: \'1h\' }`' }
const redisHit: Contestant = { name: 'Redis hit', file: 'redis-hit.js', hit: true, xCache: 'HIT', needsRedis: true }
const redisByHand: Contestant = { name: 'GET by hand', file: 'redis-by-hand.js', hit: true, needsRedis: true }
const uncachedRoute: Contestant = { name: 'route without config.cache', file: 'uncached-route.js', hit: false }

const redisWithoutMarks: Contestant = { name: 'Redis hit without marks', file: 'redis-hit-without-marks.js', hit: true, xCache: 'HIT', needsRedis: true }
const tieredHit: Contestant = { name: 'hit from memory in front of Redis', file: 'tiered-hit.js', hit: true, xCache: 'HIT', needsRedis: true }
const compressedHit: Contestant = { name: 'compressed memory hit', file: 'compressed-hit.js', hit: true, xCache: 'HIT' }
const compressPlugin: Contestant = { name: 'route behind @fastify/compress', file: 'compress-plugin.js', hit: false }
const notModified: Contestant = { name: 'memory hit with an ETag', file: 'not-modified.js', hit: true, xCache: 'HIT' }
const bareNotModified: Contestant = { name: 'bare route that compares its ETag', file: 'bare-not-modified.js', hit: false }

const tagged = (tags: number): Contestant => ({ name: `memory hit, ${tags} tags`, file: 'memory-hit-tags.js', args: [String(tags)], hit: true, xCache: 'HIT' })

export const comparisons: Comparison[] = [
  { id: 'memory', title: 'memory hit / bare route that sends the same Buffer', subject: memoryHit, baseline: bareBuffer, path, floor: 0.90 },
  { id: 'serialize', title: 'memory hit / route that serializes the same object (no response schema)', subject: memoryHit, baseline: serialize, path, floor: 2 },
  { id: 'redis', title: 'Redis hit / hand-written preHandler: one GET with Buffers (node-redis with its defaults), sent as it is', subject: redisHit, baseline: redisByHand, path, floor: 0.85 },
  { id: 'uncached', title: 'route without `config.cache` / the same app without the plugin', subject: uncachedRoute, baseline: bareBuffer, path, floor: 0.98 },
  { id: 'query', title: 'memory hit / bare Buffer route, URL with two query parameters', subject: memoryHit, baseline: bareBuffer, path: `${path}?sort=name&limit=25` },
  { id: 'tag-1', title: 'memory hit with 1 tag / without tags, something else being invalidated', subject: tagged(1), baseline: tagged(0), path, floor: 0.95 },
  { id: 'tag-4', title: 'memory hit with 4 tags / without tags, something else being invalidated', subject: tagged(4), baseline: tagged(0), path, floor: 0.95 },
  { id: 'tag-16', title: 'memory hit with 16 tags / without tags, something else being invalidated', subject: tagged(16), baseline: tagged(0), path, floor: 0.95 },
  { id: 'marks', title: 'Redis hit / the same without the clock of the marks (own store)', subject: redisHit, baseline: redisWithoutMarks, path, floor: 0.90 },
  { id: 'tiered', title: 'hit from memory in front of Redis / memory hit', subject: tieredHit, baseline: memoryHit, path, floor: 0.90 },
  { id: 'not-modified', title: '304 from memory / bare route that answers 304 by itself', subject: notModified, baseline: bareNotModified, path, headers: { 'if-none-match': '"1"' }, status: 304, floor: 0.90 },
  { id: 'compress', title: 'compressed memory hit / the same route behind @fastify/compress, no cache', subject: compressedHit, baseline: compressPlugin, path, floor: 3 },
  { id: 'control', title: 'control: bare Buffer route / itself (shows the noise of the machine)', subject: bareBuffer, baseline: bareBuffer, path }
]

/** Everything that keeps a response in memory, side by side in the same rounds. */
export const peers: Contestant[] = [
  memoryHit,
  bareBuffer,
  serialize,
  { name: 'fastify-lcache', file: 'lcache.js', hit: true, description: 'Fastify plugin, memory' },
  { name: 'apicache', file: 'apicache.js', hit: true, description: 'Express middleware, memory' },
  { name: 'bentocache, object', file: 'bentocache.js', args: ['object'], hit: true, description: '`getOrSet` in a Fastify handler, memory, defaults: object in, object out' },
  { name: 'bentocache, string', file: 'bentocache.js', args: ['string'], hit: true, description: '`getOrSet` in a Fastify handler, memory, `serialize: false`: ready JSON string' },
  { name: 'async-cache-dedupe, object', file: 'async-cache-dedupe.js', args: ['object'], hit: true, description: 'defined function called in a Fastify handler, memory: object' },
  { name: 'async-cache-dedupe, string', file: 'async-cache-dedupe.js', args: ['string'], hit: true, description: 'defined function called in a Fastify handler, memory: ready JSON string' }
]
export const peersPath = path
