import type { FastifyInstance } from 'fastify'
import { kCachedRoutes, type CachedRoute } from '../route/cached-routes.ts'
import { hitRateOf, LATENCY_BOUNDS_MS, type Counts } from '../stats/counts.ts'
import { previewOf } from './body-preview.ts'
import type { Cache } from '../client/cache.ts'
import type { EntryDetails } from '../inspect/summaries.ts'
import { NoEntryError } from '../errors.ts'
import { policyInWords } from './policy-words.ts'
import type { RecentInvalidations } from './recent-invalidations.ts'
import { adviceAnswer, entriesAnswer, entryAnswer, eventsAnswer, fleetAnswer, healthAnswer, namespacesAnswer, routesAnswer, statsAnswer } from './schemas.ts'
import type { Schema } from './validation.ts'

interface Shown {
  readonly cache: Cache
  readonly recent: RecentInvalidations
}

interface EntriesQuery { namespace?: string, match?: string, cursor?: string, limit?: number }
interface EntryQuery { key: string, body?: number, perUser?: boolean }

const NAMESPACE: Schema = { type: 'string', minLength: 1, maxLength: 512, description: 'Entries of this namespace only.' }

const FLEET_QUERY: Schema = {
  type: 'object',
  additionalProperties: false,
  properties: { last: { type: 'string', enum: ['1h', '24h'], description: 'How far back. Default 1h.' } }
}

const ENTRIES_QUERY: Schema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    namespace: NAMESPACE,
    match: { type: 'string', minLength: 1, maxLength: 1000, description: 'A glob over keys, such as user:123:*' },
    cursor: { type: 'string', minLength: 1, maxLength: 4096, description: 'Of the answer before.' },
    limit: { type: 'integer', minimum: 1, maximum: 1000, description: 'Entries at most. Default 100.' }
  }
}

const ENTRY_QUERY: Schema = {
  type: 'object',
  additionalProperties: false,
  required: ['key'],
  properties: {
    key: { type: 'string', minLength: 1, maxLength: 8192, description: 'The key behind the prefix.' },
    body: { type: 'integer', minimum: 0, maximum: 65_536, description: 'So many bytes of the body at most. Default 0.' },
    perUser: { type: 'boolean', description: 'Also the body of an entry that is for one user.' }
  }
}

/** Never cached, whatever the app does with its routes. */
const config = { cache: false } as const

/** Where numbers are added up, with the rate that people ask for. */
export function withRate<Numbers extends Counts> (numbers: Numbers): Numbers & { hitRate?: number } {
  const hitRate = hitRateOf(numbers)
  return hitRate === undefined ? numbers : { ...numbers, hitRate }
}

function withRates<Numbers extends Counts & { routes: readonly Counts[], namespaces: Readonly<Record<string, Counts>> }> (numbers: Numbers) {
  return {
    ...withRate(numbers),
    boundsMs: LATENCY_BOUNDS_MS,
    routes: numbers.routes.map(withRate),
    namespaces: Object.fromEntries(Object.entries(numbers.namespaces).map(([name, counts]) => [name, withRate(counts)]))
  }
}

const schema = (summary: string, answer: Schema, querystring?: Schema) => ({
  schema: { tags: ['cache'], summary, ...querystring === undefined ? {} : { querystring }, response: { 200: answer } }
})

/** The routes that show something. */
export function addReadingRoutes (app: FastifyInstance, { cache, recent }: Shown): void {
  app.get('/stats', { config, ...schema('What this process has counted', statsAnswer) }, async () => ({ at: Date.now(), ...withRates(cache.stats()) }))
  app.get<{ Querystring: { last?: '1h' | '24h' } }>('/stats/fleet', { config, ...schema('What all processes have counted', fleetAnswer, FLEET_QUERY) }, async ({ query }) =>
    withRates(await cache.stats({ fleet: true, last: query.last ?? '1h' })))
  app.get('/namespaces', { config, ...schema('Entries, bytes and numbers by namespace', namespacesAnswer) }, async () => await namespacesOf(cache))
  app.get('/routes', { config, ...schema('The cached routes, what they say, and their numbers', routesAnswer) }, async () => ({ routes: routesOf(cache) }))
  app.get('/health', { config, ...schema('Whether the cache can do its work', healthAnswer) }, async () => await cache.health())
  app.get('/advice', { config, ...schema('Configuration that may be a mistake', adviceAnswer) }, async () => ({ advice: await cache.advice() }))
  app.get('/events', { config, ...schema('The last invalidations of this process', eventsAnswer) }, async () => ({ events: recent.latest }))
  addEntryRoutes(app, cache)
}

function addEntryRoutes (app: FastifyInstance, cache: Cache): void {
  app.get<{ Querystring: EntriesQuery }>('/entries', { config, ...schema('Entries, a page at a time', entriesAnswer, ENTRIES_QUERY) }, async ({ query }) => {
    const { entries, cursor } = await cache.entries({ limit: 100, ...query })
    // Whose an entry is, and what else it is found by, is told of one that is asked for.
    return { entries: entries.map(({ labels, ...entry }) => entry), ...cursor === undefined ? {} : { cursor } }
  })
  app.get<{ Querystring: EntryQuery }>('/entry', { config, ...schema('One entry', entryAnswer, ENTRY_QUERY) }, async ({ query: { key, body = 0, perUser = false } }) => {
    const entry = await cache.inspect(key, { body })
    if (entry === undefined) throw new NoEntryError(key.slice(0, 200))
    return shown(entry, { isPerUserAsked: perUser })
  })
}

function shown ({ body, ...entry }: EntryDetails, { isPerUserAsked }: { isPerUserAsked: boolean }) {
  if (body === undefined) return entry
  return entry.isPerUser && !isPerUserAsked ? { ...entry, isBodyWithheld: true } : { ...entry, preview: previewOf(body) }
}

async function namespacesOf (cache: Cache) {
  const { namespaces: sampled, ...rest } = await cache.sample()
  const { namespaces: counted } = cache.stats()
  const names = [...new Set([...Object.keys(sampled), ...Object.keys(counted)])].sort()
  return {
    ...rest,
    namespaces: names.map((namespace) => {
      const counts = Object.hasOwn(counted, namespace) ? counted[namespace] : undefined
      const found = Object.hasOwn(sampled, namespace) ? sampled[namespace] : { entries: 0, bytes: 0, ttl: { classes: [] } }
      return { namespace, ...found, ...counts === undefined ? {} : withRate(counts) }
    })
  }
}

/** The cache may be that of another app than the one with these routes. */
function routesOf (cache: Cache) {
  const counted = new Map(cache.stats().routes.map((route) => [`${route.route}\n${route.namespace}`, withRate(route)]))
  return cache[kCachedRoutes].filter(isNoTwin).map((one) => {
    const { methods, policy: { namespace }, url } = one
    const route = `${methods.join(',')} ${url}`
    return { route, methods, url, namespace, policy: policyInWords(one), ...counted.get(`${route}\n${namespace}`) }
  })
}

/** The HEAD route that Fastify adds is answered from what its GET route has stored, and counted with it. */
function isNoTwin ({ methods, url }: CachedRoute, _at: number, all: readonly CachedRoute[]): boolean {
  return methods.join() !== 'HEAD' || !all.some((other) => other.url === url && other.methods.includes('GET'))
}
