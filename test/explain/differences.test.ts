import fc from 'fast-check'
import Fastify from 'fastify'
import t from 'tap'
import responseCache, { type RouteCacheOptions } from '../../lib/index.ts'
import { queryText, similar, type Asked } from '../properties/key-requests.ts'
import { runs } from '../properties/runs.ts'
import { setUser } from '../safety/helpers.ts'

/* Two requests that are told to differ in nothing have one key, and two that have one key are told to differ in nothing. */

const ROUTES: Record<string, RouteCacheOptions> = {
  plain: {},
  list: { varyByQuery: ['a', 'b'] },
  headers: { varyByHeaders: ['x-a', 'accept-language', 'authorization', 'cookie'] },
  cookies: { varyByCookies: ['c', 'sid'] },
  user: { varyByUser: true },
  body: { varyByBody: true },
  key: { key: ({ params, query }) => `${params.id}${JSON.stringify(query)}` },
  'key and user': { key: () => 'one', varyByUser: true }
}

/** What tells the two of a pair apart that `similar` does not know of. */
const ENDS = ['', '/', '?as%20sent=<', '?as%20sent=%3C', '?header%20x=1', '?%22b%5Cn%22=1', '?b%0A=1', '?%22b%5Cn%22=2&b%0A=1', '?%22b%5Cn%22=1&b%0A=1']

t.test('two requests are told to differ in nothing when they have one key, and only then', async (t) => {
  const app = Fastify({ routerOptions: { caseSensitive: false } })
  t.teardown(() => app.close())
  await app.register(responseCache, { defaults: { ttl: '1h' }, logger: { info () {}, warn () {} } })
  app.decorateRequest('user', null)
  app.addHook('onRequest', async (request) => { setUser(request, JSON.parse(String(request.headers['x-name'] ?? 'null'))) })
  for (const [name, options] of Object.entries(ROUTES)) {
    for (const end of ['/:id', '/:id/']) app.route({ method: options.varyByBody === true ? 'POST' : 'GET', url: `/${encodeURIComponent(name)}${end}`, config: { cache: options }, handler: async () => 'made' })
  }
  await app.ready()
  const counts = { same: 0, different: 0, keyless: 0, refused: 0 }

  await fc.assert(fc.asyncProperty(fc.constantFrom(...Object.keys(ROUTES)), similar, fc.array(fc.constantFrom(...ENDS), { minLength: 1, maxLength: 2 }), async (name, [one, other], ends) => {
    const [first, second] = [one!, other!].map((asked, at) => requestOf(name, asked, ends[at] ?? ends[0]!))
    let told
    try {
      told = await app.cache.explain(first!, second)
    } catch (fault) {
      if ((fault as { code?: string }).code !== 'RESPONSE_CACHE_ERR_TARGET_INVALID') throw fault
      counts.refused++ // no client sends such a URL
      return
    }
    const { key, other: { key: otherKey } = {}, differences = [] } = told
    if (key === undefined || otherKey === undefined) {
      counts.keyless++
      return
    }
    counts[key === otherKey ? 'same' : 'different']++
    if ((key === otherKey) !== (differences.length === 0)) throw new Error(`${key} and ${otherKey} differ in ${JSON.stringify(differences)}`)
    for (const { part, first, second } of differences) if (first === second) throw new Error(`${part} is told as ${first} of both`)
  }), runs(1000))

  t.comment(JSON.stringify(counts))
  t.ok(counts.same > counts.different / 20 && counts.different > counts.same / 20 && counts.refused < counts.different)
})

function requestOf (name: string, { end, host, encrypted, method, user, body, fields, ...asked }: Asked, more: string) {
  const query = queryText(asked)
  const [slash, added] = [more.startsWith('/') ? more : '', more.startsWith('?') ? more : '']
  const { varyByUser = false, varyByHeaders = [], varyByCookies = [], varyByBody = false } = ROUTES[name]!
  // What a route does not know of makes it no key.
  const isKnown = (field: string): boolean => field === 'authorization' ? varyByHeaders.includes(field) : field === 'cookie' ? varyByHeaders.includes(field) || varyByCookies.length > 0 : true
  const given = { ...fields, ...varyByUser === false || user === undefined ? {} : { 'x-name': JSON.stringify(user) } }
  const headers = Object.fromEntries(Object.entries(given).filter((field): field is [string, string] => field[1] !== undefined && isKnown(field[0])))
  const url = `${encrypted ? 'https' : 'http'}://${host}/${encodeURIComponent(name)}/x${end}${slash}${query}${query === '' ? added : added.replace('?', '&')}`
  return varyByBody ? { method: 'POST', url, headers, body } : { method, url, headers }
}
