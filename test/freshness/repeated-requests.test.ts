import { test } from 'tap'
import { cached, filled, open, said, scene, turns, until } from './scene.ts'

const MINUTE_MS = 60_000

test('a refresh sends the header fields of the request and no others, but for those of the connection', async (t) => {
  // The test's client sends no user-agent, as programs often do.
  const site = await scene(t, { staleWhileRevalidate: '1m', varyByHeaders: ['user-agent'] })
  site.origin.answers((run) => `made ${run}`)
  const headers = { 'x-a': '1', 'accept-language': 'de' }
  await site.ask('/', { headers })
  site.pass(MINUTE_MS + 1)
  t.match(said(await site.ask('/', { headers })), { cache: 'STALE', text: 'made 1' })
  const { request } = await site.origin.run(2)
  const { connection, ...asked } = site.origin.runs[0]!.request.headers
  t.strictSame(request.headers, asked)
  await until(() => site.stats().refreshes === 1, 'the refresh')
  await turns(site.app)
  t.match(said(await site.ask('/', { headers })), { cache: 'HIT', text: 'made 2' })
})

test('a refresh comes from the address of its client', async (t) => {
  const site = await scene(t, { staleWhileRevalidate: '1m' })
  site.origin.answers((_run, { ip }) => `made for ${ip}`)
  await site.app.inject({ url: '/', remoteAddress: '203.0.113.9' })
  site.pass(MINUTE_MS + 1)
  await site.app.inject({ url: '/', remoteAddress: '203.0.113.10' })
  await filled(2, site)
  t.equal((await site.app.inject('/')).body, 'made for 203.0.113.10')
})

test('a request whose body is not read yet is not repeated without it: it makes the new response itself', async (t) => {
  let now = Date.UTC(2030, 0, 1)
  const bodies: unknown[] = []
  const site = await open(t, (app) => {
    app.post('/', cached({ hook: 'onRequest', key: ({ headers }) => String(headers['x-key']), staleWhileRevalidate: '1h' }), async ({ body }) => {
      bodies.push(body)
      return `for ${String(body)}`
    })
  }, { cache: { clock: () => now } })
  const post = { method: 'POST', headers: { 'content-type': 'text/plain', 'x-key': '1' }, body: 'a' }
  await site.ask('/', post)
  now += MINUTE_MS + 1
  t.match(said(await site.ask('/', post)), { status: 200, cache: 'MISS', text: 'for a' })
  t.match(said(await site.ask('/', post)), { status: 200, cache: 'HIT', text: 'for a' })
  t.strictSame(bodies, ['a', 'a'])
})

/** Bodies that were parsed into what cannot be written down again. */
const unrepeatable: Record<string, { type: string, body: string, parse: (text: string) => unknown }> = {
  'a form': { type: 'application/x-www-form-urlencoded', body: 'a=1', parse: (text) => Object.fromEntries(new URLSearchParams(text)) },
  'JSON with a number of any size': { type: 'application/json', body: '12', parse: (text) => ({ number: BigInt(text) }) }
}

for (const [title, { type, body, parse }] of Object.entries(unrepeatable)) {
  test(`a request with ${title} cannot be repeated: it makes the new response itself, and others get the stale one meanwhile`, async (t) => {
    const site = await scene(t, (app, origin) => {
      app.removeContentTypeParser(type)
      app.addContentTypeParser(type, { parseAs: 'string' }, (_request, text, done) => { done(null, parse(String(text))) })
      app.post('/', cached({ varyByBody: true, staleWhileRevalidate: '1h' }), origin.handler)
    })
    const post = { method: 'POST', headers: { 'content-type': type }, body }
    site.origin.answers((run) => `made ${run}`)
    await site.ask('/', post)
    site.pass(MINUTE_MS + 1)
    site.origin.answers(undefined)
    const asked = site.ask('/', post)
    const run = await site.origin.run(2)
    t.match(said(await site.ask('/', post)), { status: 200, cache: 'STALE', text: 'made 1' })
    run.answer('made 2')
    t.match(said(await asked), { status: 200, cache: 'MISS', text: 'made 2' })
    t.match(said(await site.ask('/', post)), { status: 200, cache: 'HIT', text: 'made 2' })
  })
}
