import type { CacheRequest, RouteCacheOptions } from 'fastify-response-cache'
import type { Dice } from './dice.ts'

/*
 * Random routes for users who must never see one another's answers. A plan never asks for a leak itself: whatever a handler answers
 * with, the cache has been told in one of the ways that the documentation names, or can see by itself.
 */

/** How a user says who he is. Only `x-seat` is nothing that the cache takes for a credential. */
export type Carrier = 'authorization' | 'cookie' | 'x-api-key' | 'x-seat'

/** Who finds out who asks. With `none` the handler reads the carrier and tells nobody. */
export type Guard = 'none' | 'onRequest' | 'preHandler' | 'route preHandler' | 'refusing' | 'late' | 'late in the stream'

/** How the route says that its answers depend on the user, or that they do not. */
export type Cover = 'nothing' | 'varyByUser' | 'user function' | 'varyByHeaders' | 'varyByCookies' | 'Vary' | 'shared' | 'shared by the response'

export interface Plan {
  readonly url: string
  readonly method: 'GET' | 'POST'
  readonly carrier: Carrier
  readonly guard: Guard
  readonly cover: Cover
  /** Responses are for all who ask for the route, so that handlers may not answer with the URL. */
  readonly hasOwnKey: boolean
  readonly isSlow: boolean
  readonly options: RouteCacheOptions
}

/** How the app tells the cache who a request is from. */
export type AppUser = 'request.user' | 'the seat' | 'a number'

export const NAMES = ['Ann-Lovelace', 'Bob-Hopper'] as const
const CARRIERS: readonly Carrier[] = ['authorization', 'cookie', 'x-api-key', 'x-seat', 'x-seat']
const GUARDS: readonly Guard[] = ['none', 'none', 'onRequest', 'preHandler', 'route preHandler', 'refusing', 'late', 'late in the stream']

export function planOf (dice: Dice, url: string, appUser: AppUser): Plan {
  const [carrier, guard, method] = [dice.pick(CARRIERS), dice.pick(GUARDS), dice.chance(0.12) ? 'POST' as const : 'GET' as const]
  const cover = dice.pick(coversFor(carrier, guard, appUser))
  const hasOwnKey = dice.chance(0.12)
  const isSlow = dice.chance(0.05)
  return { url, method, carrier, guard, cover, hasOwnKey, isSlow, options: { ...coverOptions(dice, carrier, cover), ...keyOptions(dice, method, hasOwnKey), ...usualOptions(dice, { guard, cover, method, isSlow }) } }
}

/** What keeps the answers of this route apart. A seat that no guard reads has to be named to the cache. */
function coversFor (carrier: Carrier, guard: Guard, appUser: AppUser): Cover[] {
  if (carrier === 'x-seat' && guard === 'none') return ['Vary', 'Vary', 'Vary', 'varyByHeaders', 'user function', ...appUser === 'the seat' ? ['varyByUser', 'nothing'] as const : []]
  const always: Cover[] = ['varyByUser', 'varyByUser', 'user function', 'varyByHeaders', 'Vary', 'shared', 'shared by the response', 'nothing']
  if (carrier === 'cookie') always.push('varyByCookies')
  return always
}

function coverOptions (dice: Dice, carrier: Carrier, cover: Cover): RouteCacheOptions {
  switch (cover) {
    case 'nothing': return {}
    case 'Vary': return {}
    case 'shared': return { shared: true }
    case 'shared by the response': return { shared: 'http' }
    case 'varyByUser': return { varyByUser: true }
    case 'user function': return { varyByUser: dice.chance(0.5) ? (request) => saidBy(request, carrier) : (request) => idOf(request.user) ?? saidBy(request, carrier) }
    case 'varyByHeaders': return { varyByHeaders: [carrier, ...dice.chance(0.3) ? ['Accept-Language'] : []] }
    case 'varyByCookies': return { varyByCookies: ['sid', ...dice.chance(0.3) ? ['theme'] : []] }
  }
}

function keyOptions (dice: Dice, method: string, hasOwnKey: boolean): RouteCacheOptions {
  if (hasOwnKey) return { key: () => 'the same for all' }
  const query: RouteCacheOptions = dice.pick([{}, { varyByQuery: true }, { varyByQuery: false }, { varyByQuery: ['lang'] }, { varyByQuery: ['lang', 'skip'] }])
  return method === 'POST' ? { ...query, varyByBody: true } : query
}

function usualOptions (dice: Dice, { guard, cover, method, isSlow }: { guard: Guard, cover: Cover, method: string, isSlow: boolean }): RouteCacheOptions {
  const isLocked = isSlow || !dice.chance(0.2)
  const behind: RouteCacheOptions = isLocked ? { ...dice.sometimes(0.35, { staleWhileRevalidate: 10 }), ...dice.sometimes(0.2, { refreshAhead: true }) } : { lock: false }
  const hook: RouteCacheOptions = method === 'GET' && dice.chance(0.15) ? { hook: 'onRequest', unguarded: true } : {}
  return {
    ttl: dice.pick<NonNullable<RouteCacheOptions['ttl']>>([10, '10s', '10s', () => 5, '1m', 'http', 'http']),
    ...behind,
    ...hook,
    ...dice.sometimes(0.35, { staleIfError: 30 }),
    ...dice.sometimes(0.3, { refreshThrottle: 1 }),
    ...dice.sometimes(0.2, { namespace: dice.pick(['one', 'two']) }),
    ...dice.sometimes(0.4, { tags: dice.chance(0.5) ? ['all'] : (request: CacheRequest) => ['all', `by:${idOf(request.user) ?? ''}`] }),
    // What a guard says when it refuses has a name in it, and is not for all.
    ...cover.startsWith('shared') ? dice.sometimes(0.2, { statusCodes: [200, 404] }) : dice.sometimes(0.3, { statusCodes: [200, 401, 403, 404, 500] }),
    ...dice.sometimes(0.2, { storeIf: (_request: CacheRequest, reply: { statusCode: number }) => reply.statusCode < 500 }),
    ...dice.sometimes(0.15, { skip: (request: CacheRequest) => request.query.skip === '1' }),
    ...dice.sometimes(0.1, { maxBytes: 120 }),
    ...dice.sometimes(0.15, { compress: dice.pick([true, 'gzip', 'br'] as const) }),
    ...dice.sometimes(0.15, { obeyRequestDirectives: true }),
    ...dice.sometimes(guard === 'late' ? 0 : 0.05, { maxConcurrentFills: 1 }),
    ...isSlow ? { hardTimeout: '5ms' as const } : {}
  }
}

/** The name in the carrier, as the client sent it. */
export function saidBy (request: { headers: CacheRequest['headers'] }, carrier: Carrier): string | undefined {
  const field = request.headers[carrier]
  const text = Array.isArray(field) ? field[0] : field
  return NAMES.find((name) => text?.includes(name) === true)
}

/** The name in `request.user`, in any of the forms that guards give it. */
export function idOf (user: unknown): string | undefined {
  const text = JSON.stringify(user) ?? ''
  return NAMES.find((name) => text.includes(name))
}
