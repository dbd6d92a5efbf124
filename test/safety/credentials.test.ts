import { test } from 'tap'
import { apart, cached, inEveryStore, open, setUser, together, unique } from './helpers.ts'

/*
 * Who asks? A request that tells it, in whatever way, neither gets a stored response nor fills the cache, unless the route
 * says how its responses depend on who asks.
 */

const CREDENTIALS: Record<string, Record<string, string>> = {
  'Authorization: Bearer': { authorization: 'Bearer a' },
  'Authorization: Basic': { Authorization: 'Basic YTpi' },
  'an empty Authorization': { authorization: '' },
  'Proxy-Authorization': { 'proxy-authorization': 'Basic YTpi' },
  'a session cookie': { cookie: 'sid=1' },
  'a session cookie among analytics cookies': { cookie: '_ga=GA1.2; sid=1; _gid=2' },
  'a session cookie in a second line': { cookie: '_ga=GA1.2\r\ncookie: sid=1' },
  'a cookie whose name starts like an analytics cookie': { cookie: '_gaia=1' },
  'a cookie whose name ends like an analytics cookie': { cookie: 'x_ga=1' },
  'an analytics cookie in other letters': { cookie: '_GA=1' },
  'a cookie without a name': { cookie: 'secret' },
  'a cookie without a value': { cookie: 'sid=' },
  'a cookie behind an empty one': { cookie: ';;sid=1' },
  'a cookie in the quotes of another': { cookie: '_ga="; sid=1"' },
  'X-API-Key': { 'X-API-Key': 'k' },
  'Api-Key': { 'api-key': 'k' },
  'X-Auth-Token': { 'x-auth-token': 'k' },
  'X-Access-Token': { 'x-access-token': 'k' },
  'X-Session-Token': { 'x-session-token': 'k' },
  'X-CSRF-Token': { 'x-csrf-token': 'k' },
  'the user of an authenticating proxy': { 'x-forwarded-user': 'ann' },
  'the user of oauth2-proxy': { 'x-auth-request-user': 'ann' },
  'the user of Authelia': { 'remote-user': 'ann' },
  'the user of Google IAP': { 'x-goog-iap-jwt-assertion': 'a.b.c' },
  'the user of an AWS load balancer': { 'x-amzn-oidc-data': 'a.b.c' },
  'the user of Azure App Service': { 'x-ms-client-principal-id': '1' },
  'the user of Cloudflare Access': { 'cf-access-jwt-assertion': 'a.b.c' },
  'a client certificate that a proxy has seen': { 'x-forwarded-client-cert': 'Hash=a' }
}

inEveryStore('a response to a request with credentials is never shared (RFC 9111 section 3.5, ASP.NET DefaultPolicy)', async (t, cache) => {
  const site = await open(t, (app) => app.get('/*', cached(), unique()), { cache })
  await together(t, site, [['/'], ['/']], 'without credentials')
  for (const [title, headers] of Object.entries(CREDENTIALS)) {
    await t.test(title, async (t) => {
      const path = `/${encodeURIComponent(title)}`
      await apart(t, site, [[path, { headers }], [path]], 'filled with credentials')
      const { text } = await site.ask(path)
      const response = await site.ask(path, { headers })
      t.not(response.text, text, 'filled without')
      t.equal(response.field('x-cache'), 'BYPASS')
      t.match(response.field('cache-status'), /; fwd=bypass; detail=credentials$/)
    })
  }
})

/** Names that gateways, clouds and forges give to keys and to the identity they have found. */
const VENDOR_FIELDS = [
  'x-authorization', 'x-token', 'x-auth-key', 'x-access-key', 'x-jwt-assertion', 'x-amz-security-token', 'x-goog-api-key',
  'ocp-apim-subscription-key', 'x-functions-key', 'x-rapidapi-key', 'private-token', 'x-vault-token', 'x-shopify-access-token',
  'x-hasura-admin-secret', 'x-pomerium-jwt-assertion', 'x-authentik-username', 'remote-email', 'x-ms-client-principal-name',
  'x-auth-user', 'x-auth-username', 'x-username', 'x-user-email', 'dpop'
]

test('an API key or an identity under another well-known name is no less a credential (ASP.NET DefaultPolicy)', async (t) => {
  const site = await open(t, (app) => app.get('/*', cached(), unique()))
  const overlooked: string[] = []
  for (const name of VENDOR_FIELDS) {
    const response = await site.ask(`/${name}`, { headers: { [name]: 'ann' } })
    if (response.field('x-cache') !== 'BYPASS') overlooked.push(name)
  }
  t.strictSame(overlooked, [])
})

inEveryStore('cookies of analytics scripts and load balancers do not keep responses from being shared (Django GHSA-3h9f-r86x-qvjx)', async (t, cache) => {
  const site = await open(t, (app) => app.get('/', cached(), unique()), { cache })
  const cookies = ['_ga=1', '_ga_AB12=1; _gid=2', '_fbp=fb.1', '__utmz=1', '_pk_id.1.1fff=a', '__cf_bm=1', 'AWSALBCORS=a; AWSALB=b', '_hjSessionUser_1=a', ' ; _ga=1;']
  for (const cookie of cookies) await together(t, site, [['/'], ['/', { headers: { cookie } }]])
})

inEveryStore('a request of somebody the app has recognized neither gets nor fills a shared response (ASP.NET DefaultPolicy)', async (t, cache) => {
  const users: unknown[] = [{ id: 1 }, { sub: 'a' }, { name: 'ann' }, {}, 'ann', 7, 0, '', false, []]
  const site = await open(t, (app) => {
    app.decorateRequest('user', null)
    app.get('/:who', {
      ...cached(),
      preHandler: async (request) => {
        if (request.headers['x-seat'] !== undefined) setUser(request, users[Number(request.headers['x-seat'])])
      }
    }, unique())
  }, { cache })
  await together(t, site, [['/nobody'], ['/nobody']])
  for (const [seat, user] of users.entries()) {
    const known = { headers: { 'x-seat': String(seat) } }
    await apart(t, site, [[`/${seat}`, known], [`/${seat}`]], JSON.stringify(user))
    t.equal((await site.ask(`/${seat}`, known)).field('x-cache'), 'BYPASS')
  }
})

inEveryStore('whom the plugin option "user" recognizes has credentials on every route (ASP.NET DefaultPolicy)', async (t, cache) => {
  const user = (request: { headers: object }): string | undefined => (request.headers as Record<string, string>)['x-seat']
  const site = await open(t, (app) => app.get('/', cached(), unique()), { cache: { ...cache, user } })
  await together(t, site, [['/'], ['/']])
  const { text } = await site.ask('/')
  for (const seat of ['1', '2']) {
    const response = await site.ask('/', { headers: { 'x-seat': seat } })
    t.equal(response.field('x-cache'), 'BYPASS')
    t.not(response.text, text)
  }
  t.equal((await site.ask('/')).text, text)
})

test('a request whose user cannot be told runs the handler, whatever the function throws or gives', async (t) => {
  const answers: Array<() => unknown> = [
    () => { throw new Error('no') },
    // eslint-disable-next-line no-throw-literal
    () => { throw undefined },
    () => ({ id: 1 }), () => true, () => Number.NaN, () => Number.POSITIVE_INFINITY, () => Symbol('a'), () => 1n, () => ['ann'], async () => 'ann'
  ]
  for (const [index, answer] of answers.entries()) {
    for (const [place, { cache, route }] of Object.entries({
      'plugin option': { cache: { user: answer as () => string }, route: {} },
      'plugin option with varyByUser': { cache: { user: answer as () => string }, route: { varyByUser: true } },
      'route option': { cache: {}, route: { varyByUser: answer as () => string } }
    })) {
      const site = await open(t, (app) => app.get('/', cached(route), unique()), { cache })
      const [first, second] = [await site.ask('/'), await site.ask('/')]
      t.strictSame([first.status, second.status], [200, 200])
      t.equal(second.field('x-cache'), 'BYPASS', `${place} ${index}`)
      t.match(second.field('cache-status'), /detail=function-error/)
      t.not(second.text, first.text)
      t.equal(site.warnings.length, 1, 'logged once')
    }
  }
})

test('client Cache-Control neither forces the handler to run nor opens the cache for credentials (ASP.NET #52738)', async (t) => {
  const site = await open(t, (app) => app.get('/', cached(), unique()))
  const { text } = await site.ask('/')
  for (const directive of ['no-cache', 'no-store', 'max-age=0', 'public', 'only-if-cached']) {
    const response = await site.ask('/', { headers: { 'cache-control': directive, pragma: 'no-cache' } })
    t.equal(response.field('x-cache'), 'HIT', directive)
    t.equal(response.text, text)
    t.equal((await site.ask('/', { headers: { 'cache-control': directive, authorization: 'a' } })).field('x-cache'), 'BYPASS', `${directive} with credentials`)
  }
})
