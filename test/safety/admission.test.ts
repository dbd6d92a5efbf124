import type { FastifyRequest } from 'fastify'
import fc from 'fast-check'
import type { RouteCacheOptions } from 'fastify-response-cache'
import { test } from 'tap'
import { routePolicy } from '../../lib/options/policy.ts'
import { pluginSettings } from '../../lib/options/resolve.ts'
import { silentLogger } from '../../lib/logger.ts'
import { RouteAdmission } from '../../lib/route/admission.ts'

/*
 * Requests that a handler can tell apart have different keys: for any two of them, under any options of a route.
 */

interface Sent {
  method: 'GET' | 'HEAD' | 'POST'
  path: string
  host: string
  protocol: 'http' | 'https'
  query: Record<string, unknown>
  headers: Record<string, string>
  user: string | number | undefined
  body: unknown
}

function admissionOf (options: RouteCacheOptions): RouteAdmission {
  const settings = pluginSettings({ user: (request) => (request as unknown as { user: string }).user }, silentLogger)
  const policy = routePolicy({ ttl: '1m', ...options }, { url: '/*', methods: ['GET', 'HEAD', 'POST'], hasOwnHead: false }, settings)
  return new RouteAdmission(policy!, { anyUserOf: settings.userOf, constraints: {} })
}

/** The key's text, or why there is none. */
function keyOf (admission: RouteAdmission, sent: Sent): string {
  const { path, ...rest } = sent
  const search = Object.entries(sent.query).map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`).join('&')
  const request = { ...rest, params: {}, raw: { url: `${path}?${search}`, socket: {} } }
  const admitted = admission.admit(request as unknown as FastifyRequest)
  return admitted.outcome === 'admitted' ? admitted.key.text : `bypass: ${admitted.reason}`
}

const TRICKY = [';', ':', '-', '1', 'a', ';u1:a', ';f-', '1:a;f1:a', '', ';h', '//', ',']
const text = fc.oneof(fc.constantFrom(...TRICKY), fc.array(fc.constantFrom(...TRICKY), { maxLength: 3 }).map((parts) => parts.join('')))
const fieldNames = ['x-a', 'x-b', 'x-forwarded-host', 'x-host', 'cookie']

const sent: fc.Arbitrary<Sent> = fc.record({
  method: fc.constantFrom('GET', 'HEAD', 'POST'),
  path: text.map((path) => `/${path}`),
  host: text,
  protocol: fc.constantFrom('http', 'https'),
  query: fc.dictionary(fc.constantFrom('a', 'b', '1:a', ';'), text, { maxKeys: 2 }),
  headers: fc.dictionary(fc.constantFrom(...fieldNames), text, { maxKeys: 3 }).map(({ cookie, ...fields }) => cookie === undefined ? fields : { ...fields, cookie: `a=${cookie.replaceAll(';', '')}` }),
  user: fc.oneof(fc.constant(undefined), text, fc.constantFrom(0, 1, '0', '1')),
  body: fc.oneof(fc.constantFrom(undefined, null, 1, '1', true), text, fc.array(text, { maxLength: 2 }), fc.dictionary(fc.constantFrom('a', 'b'), text, { maxKeys: 2 }))
}, { noNullPrototype: true }) as fc.Arbitrary<Sent>

const ROUTES: Record<string, { options: RouteCacheOptions, sees: (sent: Sent) => unknown }> = {
  'a plain route that is shared': {
    options: { shared: true, varyByBody: true },
    sees: (sent) => [...plain(sent), steering(sent), sorted(sent.query), sent.method === 'POST' ? [typeof sent.body, bodyForm(sent.body)] : undefined]
  },
  'a route by user': {
    options: { varyByUser: true, varyByBody: true },
    sees: (sent) => [...plain(sent), steering(sent), sorted(sent.query), typeof sent.user, sent.user ?? 'nobody', bodyForm(sent.body)]
  },
  'a route by fields and cookies': {
    options: { varyByHeaders: ['x-a', 'x-b'], varyByCookies: ['a', 'b'], varyByBody: true },
    sees: (sent) => [...plain(sent), steering(sent), sorted(sent.query), sent.headers['x-a'] ?? null, sent.headers['x-b'] ?? null, sent.headers.cookie ?? null, bodyForm(sent.body)]
  },
  'a route by some parameters': {
    options: { shared: true, varyByQuery: ['a', ';'], varyByBody: true },
    sees: (sent) => [...plain(sent), steering(sent), sent.query.a ?? null, sent.query[';'] ?? null, bodyForm(sent.body)]
  },
  'a route by its own key': {
    options: { shared: true, key: (request) => String(request.query.a ?? 'none') },
    sees: ({ path, ...sent }) => [...plain({ path: '', ...sent }), steering({ path, ...sent }), String(sent.query.a ?? 'none')]
  }
}

function plain ({ method, path, host, protocol }: Sent): unknown[] {
  return [method === 'POST', path, host.toLowerCase(), protocol]
}

function steering ({ headers }: Sent): unknown {
  return [headers['x-forwarded-host'] ?? null, headers['x-host'] ?? null]
}

function sorted (object: object): unknown {
  return Object.entries(object).sort(([a], [b]) => a < b ? -1 : 1)
}

function bodyForm (body: unknown): unknown {
  return [typeof body, body === undefined ? 'undefined' : typeof body === 'object' && body !== null && !Array.isArray(body) ? sorted(body) : body]
}

test('requests that a handler can tell apart never have the same key (Litestar CVE-2026-25480, Mercure GHSA-hwr4-mq23-wcv5)', async (t) => {
  for (const [title, { options, sees }] of Object.entries(ROUTES)) {
    const admission = admissionOf(options)
    let equal = 0
    fc.assert(fc.property(sent, sent, (one, other) => {
      const [a, b] = [keyOf(admission, one), keyOf(admission, other)]
      if (a.startsWith('bypass') || a !== b) return true
      equal++
      return JSON.stringify(sees(one)) === JSON.stringify(sees(other))
    }), { numRuns: 5000 })
    t.pass(`${title}: 5000 pairs, ${equal} of them with one key`)
  }
})

test('each single difference that a handler can see makes another key (Litestar CVE-2026-25480)', async (t) => {
  for (const [title, { options, sees }] of Object.entries(ROUTES)) {
    const admission = admissionOf(options)
    let different = 0
    fc.assert(fc.property(sent, sent, fc.constantFrom(...Object.keys({ method: 0, path: 0, host: 0, protocol: 0, query: 0, headers: 0, user: 0, body: 0 }) as Array<keyof Sent>), (one, donor, name) => {
      const other = { ...one, [name]: donor[name] }
      const isSame = JSON.stringify(sees(one)) === JSON.stringify(sees(other))
      const [a, b] = [keyOf(admission, one), keyOf(admission, other)]
      if (!isSame) different++
      return isSame || a !== b || a.startsWith('bypass')
    }), { numRuns: 5000 })
    t.ok(different > 500, `${title}: ${different} differences`)
  }
})

test('names of fields and cookies are a part of the key, so that another version of a route reads none of its entries', async (t) => {
  const request: Sent = { method: 'GET', path: '/', host: 'a', protocol: 'http', query: {}, headers: { 'x-a': '1', 'x-b': '1', cookie: 'a=1; b=1' }, user: undefined, body: undefined }
  const versions: RouteCacheOptions[] = [{ varyByHeaders: ['x-a'] }, { varyByHeaders: ['x-b'] }, { varyByCookies: ['a'] }, { varyByCookies: ['b'] }, { varyByHeaders: ['x-a', 'x-b'] }, {}]
  const keys = versions.map((options) => keyOf(admissionOf({ ...options, varyByCookies: options.varyByCookies ?? [], varyByUser: () => 'ann' }), request))
  t.notOk(keys.some((key) => key.startsWith('bypass')))
  t.equal(new Set(keys).size, versions.length)
})
