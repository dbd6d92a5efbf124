import type { Schema } from './validation.ts'

/*
 * The answers, as an API document shows them. Nothing is left out of an answer because it is not named here.
 */

const number = (description: string): Schema => ({ type: 'number', description })
const text = (description: string): Schema => ({ type: 'string', description })
const flag = (description: string): Schema => ({ type: 'boolean', description })
const object = (properties: Readonly<Record<string, Schema>>, description = ''): Schema => ({ type: 'object', ...description === '' ? {} : { description }, properties, additionalProperties: true })
const list = (items: Schema, description = ''): Schema => ({ type: 'array', ...description === '' ? {} : { description }, items })
const map = (of: Schema, description: string): Schema => ({ type: 'object', description, additionalProperties: of })

const words = (description: string): Schema => map({ type: 'integer' }, description)

const latency = object({
  count: number('How often.'),
  sumMs: number('Milliseconds together.'),
  classes: list({ type: 'integer' }, 'How many took at most as long as each of boundsMs, and last how many took longer.')
})

const COUNTS: Readonly<Record<string, Schema>> = {
  hits: number('Fresh responses from the cache.'),
  stale: number('Stale responses from the cache.'),
  misses: number('Requests whose handler ran.'),
  bypasses: number('Requests that might not use the cache.'),
  refused: number('Requests answered with 503 or 504.'),
  collapsed: number('Hits with a response that was made while the request waited.'),
  fills: number('Responses that became what is stored.'),
  refreshes: number('Requests repeated in the background.'),
  refreshErrors: number('Those of them that brought nothing to store.'),
  bypassReasons: words('Bypasses by reason.'),
  missReasons: words('Misses by reason.'),
  staleReasons: words('Stale responses by reason.'),
  notStoredReasons: words('Responses that were not stored, by reason.'),
  refusalReasons: words('Refused requests by reason.'),
  cached: latency,
  uncached: latency,
  savedMs: number('How long the handlers of the served responses had taken, less what serving them took. Milliseconds.'),
  servedBytes: number('Bytes of bodies that were served from the cache.')
}

const hitRate = number('(hits + stale) / (hits + stale + misses), from 0 to 1; absent where there was no request.')
const counts = object({ ...COUNTS, hitRate })
const routeCounts = object({ route: text('GET /users/:id'), namespace: text('Its namespace.'), ...COUNTS, hitRate })
const invalidations = object({ calls: number('How often.'), byKind: words('By what they name.'), byCause: words('By what made them: call, event or missed-events.') })
const boundsMs = list({ type: 'number' }, 'Upper bounds of the classes of durations, in milliseconds.')

const SUMMED: Readonly<Record<string, Schema>> = {
  ...COUNTS,
  hitRate,
  boundsMs,
  routes: list(routeCounts),
  namespaces: map(counts, 'The sums of their routes.'),
  invalidations
}

export const statsAnswer = object({
  at: number('Now, milliseconds since the epoch.'),
  since: number('Since when is counted, milliseconds since the epoch.'),
  ...SUMMED,
  adaptiveTtl: list(object({ key: text('The entry.'), ttl: number('Seconds.'), why: text('What was seen.') })),
  store: map({}, 'How the store does.'),
  memory: map({}, 'Entries and bytes in this process.')
}, 'What this process has counted.')

export const fleetAnswer = object({
  from: number('Milliseconds since the epoch.'),
  to: number('Milliseconds since the epoch.'),
  processes: number('Processes that have told numbers in that time.'),
  ...SUMMED,
  series: list(object({ at: number('Milliseconds since the epoch.') }), 'One for each minute, or each hour.')
}, 'What all processes have counted.')

export const namespacesAnswer = object({
  scanned: number('Entries that were looked at.'),
  isComplete: flag('Whether those are all; otherwise entries and bytes are estimates.'),
  namespaces: list(object({
    namespace: text('Its name.'),
    entries: number('Entries.'),
    bytes: number('Bytes of their bodies.'),
    ttl: object({ classes: list({ type: 'integer' }, 'How many go within a minute, 5 minutes, an hour, a day, and later.') }),
    ...COUNTS,
    hitRate
  }))
})

export const routesAnswer = object({
  routes: list(object({
    ...routeCounts.properties,
    methods: list({ type: 'string' }),
    url: text('Its pattern.'),
    policy: list(object({ about: text('ttl, key, bypass, stored, found by, stale, handler, look-up or clients.'), text: text('In words.') }), 'What the route says of how it is cached.')
  }))
})

const SUMMARY: Readonly<Record<string, Schema>> = {
  key: text('The key behind the prefix.'),
  kind: { type: 'string', enum: ['response', 'value', 'variants'] },
  namespace: text('Its namespace.'),
  state: { type: 'string', enum: ['fresh', 'stale', 'invalidated'] },
  storedAt: number('Milliseconds since the epoch.'),
  ttl: number('Seconds until it goes.'),
  freshFor: number('Seconds, negative when it is stale.'),
  bytes: number('Bytes of its body.'),
  status: number('Of a response.'),
  tags: list({ type: 'string' }),
  isPerUser: flag('Whether it is for one user.')
}

export const entriesAnswer = object({ entries: list(object(SUMMARY)), cursor: text('Where the next call goes on; absent at the end.') })

export const entryAnswer = object({
  ...SUMMARY,
  age: number('Seconds.'),
  headers: list({}, 'Names and values.'),
  labels: list(object({ kind: text('What kind.'), value: text('Its name.') }), 'What an invalidation finds it by.'),
  user: text('Whose it is.'),
  costMs: number('How long its handler took.'),
  vary: list({}, 'Request header fields that selected it.'),
  invalidatedBy: text('The label.'),
  preview: object({ encoding: { type: 'string', enum: ['utf8', 'base64'] }, text: text('The beginning of the body.'), bytes: number('So many bytes of it.') }),
  isBodyWithheld: flag('It is for one user: ask with perUser=true.')
})

export const explainAnswer = object({
  method: text('GET'),
  url: text('As it was given.'),
  route: text('The route that answers it.'),
  isCached: flag('Whether it is answered from the cache, or stored.'),
  outcome: text('hit, stale, miss, bypass, guard, no-route or not-cached.'),
  reason: text('A word of docs/what-is-cached.md.'),
  docs: text('Where that is explained.'),
  key: text('The key behind the prefix.'),
  namespace: text('Its namespace.'),
  keyParts: list(object({ part: text('What.'), value: text('Its value.') })),
  entry: object(SUMMARY),
  differences: list(object({ part: text('What.'), first: text('Of the first request.'), second: text('Of the second.') }))
})

export const healthAnswer = object({
  status: { type: 'string', enum: ['ok', 'degraded'] },
  isAlive: flag('Always: a cache that fails is no reason to end the process.'),
  store: text('memory, redis, memory and redis, or own.'),
  reasons: list(object({ word: text('Stable.'), text: text('In words.'), docs: text('Where that is explained.') }))
})

export const adviceAnswer = object({ advice: list(object({ word: text('Stable.'), text: text('In words.'), docs: text('Where that is explained.') })) })

export const eventsAnswer = object({
  events: list(object({
    at: number('Milliseconds since the epoch.'),
    kinds: map(list({ type: 'string' }), 'What was named, by kind; the first 20 each.'),
    omitted: number('Names beyond those.'),
    event: text('The name of the event that has caused it.'),
    soft: flag('Stale in place of gone.'),
    isConfirmed: flag('Whether the store has confirmed it.'),
    ms: number('How long it took.')
  }), 'Of this cache by this process, the latest first, 100 at most.')
})

export const invalidateAnswer = object({
  invalidated: map({}, 'What was invalidated.'),
  preview: object({
    entries: number('Entries that were found and would be hit.'),
    keys: list({ type: 'string' }, 'The first of them.'),
    scanned: number('Entries that were looked at.'),
    isComplete: flag('Whether those are all there are.')
  }, 'With preview: true. Nothing was invalidated.')
})

export const warmAnswer = object({ filled: number('Handlers that ran.'), fresh: number('Were there already.'), failed: number('Failed.'), failures: list(object({ target: text('Which.'), reason: text('Why.') })) })
