import fc from 'fast-check'
import Fastify, { type FastifyInstance, type FastifyRequest, type FastifyServerOptions } from 'fastify'
import responseCache, { type RouteCacheOptions } from 'fastify-response-cache'
import inject, { type DispatchFunc, type InjectOptions } from 'light-my-request'
import type { IncomingMessage } from 'node:http'
import { test } from 'tap'
import { asCacheRequest } from '../../lib/options/cache-request.ts'
import { setUser } from '../safety/helpers.ts'
import { ownKey, relationOf, type Given } from './key-reference.ts'
import { queryText, similar, type Asked } from './key-requests.ts'
import { runs } from './runs.ts'

/*
 * Two requests that differ in anything that the handler may read and the options cover never share a response, and requests that are the same
 * share it. What is the same, a slow reference says, from what a handler of an app without a cache was given.
 */

const ROUTES: Record<string, RouteCacheOptions> = {
  plain: {},
  list: { varyByQuery: ['a', 'b'] },
  none: { varyByQuery: false },
  headers: { varyByHeaders: ['X-A', 'accept-language', 'authorization'] },
  'a header and the whole cookie field': { varyByHeaders: ['x-a', 'Cookie'], varyByUser: true },
  cookies: { varyByCookies: ['c', 'sid'] },
  user: { varyByUser: true },
  'user and query': { varyByUser: (request) => request.user as string | undefined, varyByQuery: ['a'] },
  body: { varyByBody: true },
  key: { key: ownKey },
  'key and user': { key: ownKey, varyByUser: true }
}

/** A parser that makes an object of `a[b]=1`, a list of `a[]=1`, and the last of several values count. */
function nested (text: string): Record<string, unknown> {
  const query: Record<string, unknown> = {}
  for (const [name, value] of new URLSearchParams(text)) {
    const [, whole = name, part] = /^([^[.]+)(?:\[(.*)\]|\.(.*))$/.exec(name) ?? []
    if (part === undefined) query[whole] = value
    else if (part === '') query[whole] = [...[query[whole] ?? []].flat(), value]
    else query[whole] = { ...typeof query[whole] === 'object' ? query[whole] : {}, [part]: value }
  }
  return query
}

const SERVERS: Record<string, FastifyServerOptions> = {
  'the usual way': {},
  'behind a proxy, with a parser of nested queries, whatever the case': { trustProxy: true, routerOptions: { querystringParser: nested, caseSensitive: false, ignoreTrailingSlash: true } }
}

const users = new WeakMap<IncomingMessage, unknown>()
let made = 0

interface Sent extends Omit<Asked, 'method'> {
  readonly method: string
}

interface Answer {
  readonly cache: string
  readonly status: string
  readonly key: string | undefined
  readonly made: string | undefined
}

function declare (app: FastifyInstance, handle: (request: FastifyRequest, options: RouteCacheOptions) => void): void {
  app.decorateRequest('user', null)
  app.addHook('onRequest', async (request) => { setUser(request, users.get(request.raw)) })
  for (const [name, options] of Object.entries(ROUTES)) {
    app.route({
      method: options.varyByBody === true ? 'POST' : 'GET',
      url: `/${encodeURIComponent(name)}/:id`,
      config: { cache: { ttl: '1h', ...options } },
      handler: async (request, reply) => {
        handle(request, options)
        return await reply.header('x-made', String(++made)).send('made')
      }
    })
  }
}

/** Exactly these characters, which no client would have to send like that. */
async function send (app: FastifyInstance, url: string, { method, host, encrypted, user, body, fields }: Sent): Promise<Answer> {
  const headers = { host, ...Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) }
  const dispatch: DispatchFunc = (raw, response) => {
    const incoming = raw as unknown as IncomingMessage
    incoming.url = url
    Object.assign(incoming.socket, { encrypted })
    users.set(incoming, user)
    app.routing(incoming, response as never)
  }
  const payload = method === 'POST' ? { payload: JSON.stringify(body), headers: { ...headers, 'content-type': 'application/json' } } : { headers }
  const { headers: answered } = await inject(dispatch, { method, url: 'http://localhost/', ...payload } as InjectOptions)
  return { cache: String(answered['x-cache']), status: String(answered['cache-status']), key: answered['x-cache-key'] as string | undefined, made: answered['x-made'] as string | undefined }
}

for (const [way, options] of Object.entries(SERVERS)) {
  test(`what differs in anything that the options cover never shares a response, and what does not shares it: ${way}`, async (t) => {
    const [cached, plain] = [Fastify(options), Fastify(options)]
    t.teardown(async () => { await Promise.all([cached.close(), plain.close()]) })
    let given: Given | undefined
    await cached.register(responseCache, { debugHeaders: true, clock: () => 1_000_000 })
    const leaks: string[] = []
    declare(cached, (request, route) => { leaks.push(...uncovered(request, route)) })
    declare(plain, (request, { key }) => { given = givenTo(request, key) })
    await Promise.all([cached.ready(), plain.ready()])
    const counts = { same: 0, different: 0, either: 0, bypassed: 0 }
    let run = 0

    await fc.assert(fc.asyncProperty(fc.constantFrom(...Object.keys(ROUTES)), similar, async (name, requests) => {
      const route = ROUTES[name]!
      // An own key knows nothing of the path, so that each run has a host of its own.
      const own = `r${++run}`
      const done: Array<{ asked: Sent, url: string, given: Given, answer: Answer }> = []
      for (const request of requests) {
        const asked: Sent = { ...run % 10 === 0 ? request : withoutCredentials(request, route), host: `${own}.${request.host}`, method: route.varyByBody === true ? 'POST' : request.method }
        const url = `/${encodeURIComponent(name)}/x${asked.end}${queryText(asked)}`
        given = undefined
        await send(plain, url, asked)
        const answer = await send(cached, url, asked)
        if (given === undefined) continue // no such route
        if (answer.cache === 'BYPASS') counts.bypassed++
        else done.push({ asked, url, given, answer })
      }
      if (leaks.length > 0) throw new Error(`the handler could read what the key does not cover: ${leaks.join(', ')}`)
      for (const [at, one] of done.entries()) {
        for (const other of done.slice(at + 1)) {
          const relation = relationOf(one.given, other.given, route)
          counts[relation]++
          const wrong = (text: string): Error => new Error(`${text}: ${JSON.stringify([one, other], undefined, 1)}`)
          const isShared = one.answer.made === other.answer.made
          if (relation === 'different' && (isShared || one.answer.key === other.answer.key)) throw wrong('two that are different share a response')
          if (relation === 'same' && one.answer.key !== other.answer.key) throw wrong('two that are the same have two keys')
          const isThere = one.answer.cache === 'HIT' || one.answer.status.endsWith('stored')
          if (relation === 'same' && isThere && !isShared) throw wrong('two that are the same do not share')
        }
      }
    }), runs(700))

    t.comment(JSON.stringify(counts))
    t.ok(counts.same > counts.different / 20 && counts.different > counts.same / 20 && counts.bypassed < 10 * counts.different)
  })
}

/** Parameters that the handler can read although the route leaves them out. */
function uncovered ({ query, raw }: FastifyRequest, { varyByQuery }: RouteCacheOptions): string[] {
  if (varyByQuery === undefined) return []
  const sent = raw.url?.split('?')[1]?.split('&').map((text) => decodeURIComponent(text.split('=', 1)[0]!)) ?? []
  return [...Object.keys(query as object), ...sent].filter((name) => varyByQuery === false || (varyByQuery as string[]).every((named) => named !== name && named !== name.split(/[[.]/, 1)[0]))
}

/** Those that the route does not name would let most requests bypass the cache. */
function withoutCredentials (asked: Asked, { varyByUser, varyByHeaders = [], varyByCookies }: RouteCacheOptions): Asked {
  const isKnown = varyByUser !== undefined && asked.user !== undefined
  const left = (name: string): object => isKnown || varyByHeaders.some((named) => named.toLowerCase() === name) ? {} : { [name]: undefined }
  const cookie = asked.fields.cookie?.replaceAll(/(^|; )(?:C|d)=1/g, '$1c=1')
  return {
    ...asked,
    user: varyByUser === undefined ? undefined : asked.user,
    fields: { ...asked.fields, ...left('authorization'), ...varyByCookies === undefined ? left('cookie') : { cookie } }
  }
}

function givenTo (request: FastifyRequest, key: RouteCacheOptions['key']): Given {
  const { raw, params, query, host, protocol, headers, body } = request
  return {
    method: request.method,
    url: raw.url ?? '',
    params,
    query: query as object,
    host,
    protocol,
    headers: { ...headers },
    user: (request as { user?: unknown }).user,
    body,
    ownKey: key?.(asCacheRequest(request))
  }
}
