import cors from '@fastify/cors'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Browser, BrowserContext } from 'playwright-core'
import { test, type Test } from 'tap'
import { openBrowser, openPage, whyNoBrowser, type Watched } from './browser.ts'
import { createScene, guard, listening, outcomeOf, SIGNED_IN, type SceneOptions } from './scene.ts'

/** The dashboard in a real browser. */

const skip = await whyNoBrowser() ?? false

interface Opened extends Watched {
  app: FastifyInstance
  origin: string
  context: BrowserContext
}

/** A page of somebody who is signed in. */
async function signedIn (browser: Browser, origin: string): Promise<BrowserContext> {
  const context = await browser.newContext()
  context.setDefaultTimeout(20_000)
  await context.addCookies([{ name: 'sid', value: 'operator', url: origin }])
  return context
}

test('the dashboard', { skip, timeout: 110_000 }, async (t) => {
  const browser = await openBrowser(t)

  async function opened (t: Test, view: string, { load, ...scene }: SceneOptions & { load?: (app: FastifyInstance) => Promise<void> } = {}): Promise<Opened> {
    const app = await createScene(t, scene)
    const origin = await listening(app)
    await load?.(app)
    const context = await signedIn(browser, origin)
    t.teardown(() => context.close())
    const watched = await openPage(context)
    await watched.page.goto(`${origin}/admin/cache/#/${view}`)
    return { app, origin, context, ...watched }
  }

  await t.test('figures are those of the load that was sent', async (t) => {
    const { page, complaints } = await opened(t, 'overview', {
      async load (app) {
        // 3 misses that are stored, 17 hits, 5 misses that are not, 5 bypasses.
        for (let turn = 0; turn < 20; turn++) await outcomeOf(app, `/users/${turn % 3}`)
        for (let turn = 0; turn < 5; turn++) await outcomeOf(app, '/session')
        for (let turn = 0; turn < 5; turn++) await outcomeOf(app, '/places', { authorization: 'Bearer a' })
      }
    })
    const tile = (name: string) => page.locator(`[data-tile="${name}"] .value`)
    await page.getByText('68.0 %').first().waitFor() // 17 of 25
    t.equal(await tile('Hit rate').textContent(), '68.0 %')
    t.equal(await tile('Requests').textContent(), '30')
    t.equal(await tile('Bytes served').textContent(), '170 B')
    await page.locator('[data-tile="Stored"]', { hasText: '3' }).waitFor()
    t.match(await page.locator('[data-tile="Stored"]').textContent(), /^Stored3entries, 30 B$/)
    t.equal(await page.locator('figure svg[role="img"]').count(), 4)
    await page.getByRole('link', { name: 'Endpoints' }).click()
    const users = page.getByRole('row', { name: /GET \/users/ })
    t.strictSame((await users.getByRole('cell').allTextContents()).slice(0, 3), ['user', '20', '85.0 %'])
    await page.getByRole('button', { name: 'GET /session' }).click()
    await page.getByText('The response sets a cookie.').waitFor()
    t.match(await page.locator('.reasons', { hasText: 'not stored' }).textContent(), /5set-cookie/)
    t.strictSame(complaints, [])
  })

  await t.test('what happens now is shown without a reload', async (t) => {
    const { app, page } = await opened(t, 'overview')
    const requests = page.locator('[data-tile="Requests"] .value')
    await page.waitForFunction(() => document.querySelector('[data-tile="Requests"] .value')?.textContent === '0')
    for (let turn = 0; turn < 7; turn++) await outcomeOf(app, '/places')
    await page.waitForFunction(() => document.querySelector('[data-tile="Requests"] .value')?.textContent === '7')
    t.equal(await requests.textContent(), '7')
  })

  await t.test('a preview, a click, and the next request is a miss', async (t) => {
    const { app, page, complaints } = await opened(t, 'invalidate', { load: async (app) => { for (const id of [1, 2]) await outcomeOf(app, `/users/${id}`) } })
    await page.getByLabel('Names, one a line').fill('user:1')
    await page.getByRole('button', { name: 'Preview' }).click()
    const sure = page.getByRole('button', { name: 'Invalidate 1 entry' })
    await sure.waitFor()
    t.strictSame([await outcomeOf(app, '/users/1'), await outcomeOf(app, '/users/2')], ['HIT', 'HIT'], 'a preview invalidates nothing')
    await page.getByLabel('Names, one a line').fill('user:2')
    t.equal(await sure.count(), 0, 'what was confirmed is not what stands there now')
    await page.getByLabel('Names, one a line').fill('user:1')
    await page.getByRole('button', { name: 'Preview' }).click()
    await sure.click()
    await page.getByText('Done.').waitFor()
    t.strictSame([await outcomeOf(app, '/users/1'), await outcomeOf(app, '/users/2')], ['MISS', 'HIT'])
    await page.locator('.events', { hasText: 'user:1' }).waitFor()
    t.strictSame(complaints, [])
  })

  await t.test('by keyboard alone an entry is found, read and invalidated', async (t) => {
    const { app, page } = await opened(t, 'entries', { load: async (app) => { for (const path of ['/users/1', '/users/2', '/places']) await outcomeOf(app, path) } })
    const focused = async () => await page.evaluate(() => document.activeElement?.textContent ?? '')
    await page.getByText('3 entries').waitFor()
    await page.getByLabel('Key').focus()
    await page.keyboard.type('users/2')
    await page.keyboard.press('Enter')
    await page.getByText('1 entry').waitFor()
    // Past the button, the table, which scrolls, and what sorts it.
    for (let step = 0; step < 12 && !/^user:/.test(await focused()); step++) await page.keyboard.press('Tab')
    t.match(await focused(), /^user:GET:\/users\/2:/)
    await page.keyboard.press('Enter')
    await page.locator('dialog pre', { hasText: '{"id":"2"}' }).waitFor()
    await page.getByRole('button', { name: 'Invalidate…' }).focus()
    await page.keyboard.press('Enter')
    t.equal(await focused(), 'Yes, invalidate it')
    t.equal(await outcomeOf(app, '/users/2'), 'HIT', 'not before it was confirmed')
    await page.keyboard.press('Enter')
    await page.getByText('The next request runs the handler.').waitFor()
    t.equal(await outcomeOf(app, '/users/2'), 'MISS')
    await page.keyboard.press('Escape')
    await page.locator('dialog').waitFor({ state: 'hidden' })
  })

  await t.test('the body of an entry for one user is shown when it is asked for', async (t) => {
    const { page } = await opened(t, 'entries', { load: async (app) => { await outcomeOf(app, '/me', { 'x-user': 'ada' }) } })
    await page.getByRole('button', { name: /GET:\/me/ }).click()
    const show = page.getByRole('button', { name: 'Show the body' })
    await show.waitFor()
    t.notMatch(await page.content(), /of ada/)
    await show.click()
    await page.locator('dialog pre', { hasText: 'of ada' }).waitFor()
  })

  await t.test('a request is explained', async (t) => {
    const { page, complaints } = await opened(t, 'explain', { load: async (app) => { await outcomeOf(app, '/users/1') } })
    await page.getByLabel('URL').first().fill('/users/1')
    await page.getByLabel('Header fields, one a line').first().fill('authorization: Bearer a')
    await page.getByRole('button', { name: 'Explain' }).click()
    await page.getByRole('heading', { name: 'Answered by the handler, without the cache' }).waitFor()
    await page.getByText('docs/what-is-cached.md#credentials').waitFor()
    t.strictSame(complaints, [])
  })

  await t.test('texts of clients are shown as they are, and are never markup', async (t) => {
    const evil = '<img src=x onerror="window.isTaken=1">'
    const { app, page, complaints } = await opened(t, 'entries', {
      async load (app) { await app.cache.set(`${evil}:1`, evil, { ttl: '1m', tags: [evil] }) }
    })
    await page.getByRole('button', { name: `${evil}:1` }).click()
    await page.locator('dialog pre', { hasText: evil }).waitFor()
    await page.keyboard.press('Escape')
    await app.cache.invalidateTags(evil)
    await page.goto(page.url().replace('#/entries', '#/invalidate'))
    await page.locator('.events', { hasText: evil }).waitFor()
    await page.getByLabel('Names, one a line').fill(evil)
    await page.getByLabel('By').selectOption('urls')
    await page.getByRole('button', { name: 'Preview' }).click()
    await page.locator('.failure').waitFor()
    t.equal(await page.locator('img').count(), 0)
    t.equal(await page.evaluate(() => 'isTaken' in window), false)
    t.strictSame(complaints.filter((text) => !text.includes('400')), [])
    // And if it were: the policy stops it. This also shows that complaints are heard.
    await page.evaluate((markup) => { document.body.insertAdjacentHTML('beforeend', markup) }, evil)
    await page.waitForFunction(() => document.querySelector('img') !== null)
    while (!complaints.some((text) => /Content Security Policy/.test(text))) await page.waitForEvent('console')
    t.equal(await page.evaluate(() => 'isTaken' in window), false)
  })

  await t.test('without credentials there is nothing, and whose session ends is told so', async (t) => {
    const { context, origin, page } = await opened(t, 'overview', { load: async (app) => { await outcomeOf(app, '/users/1') } })
    await page.getByText('Store in use').waitFor()
    await context.clearCookies()
    await page.getByRole('alert').filter({ hasText: 'You are not signed in' }).waitFor()
    const stranger = await browser.newContext()
    t.teardown(() => stranger.close())
    const { page: other } = await openPage(stranger)
    const answer = await other.goto(`${origin}/admin/cache/`)
    t.equal(answer?.status(), 401)
    t.notMatch(await other.content(), /Response cache|user/)
    t.equal((await other.goto(`${origin}/admin/cache/stats`))?.status(), 401)
  })

  await t.test('a page of another origin invalidates nothing and reads nothing, with the cookies of an operator', async (t) => {
    const { app, context, origin } = await opened(t, 'overview', { plugins: (app) => app.register(cors, { origin: true, credentials: true }), load: async (app) => { await outcomeOf(app, '/users/1') } })
    const evil = Fastify()
    t.teardown(() => evil.close())
    evil.get('/', async (_request, reply) => await reply.type('text/html').send('<!doctype html><title>Kittens</title>'))
    // Cookies do not know ports: the browser sends those of the operator.
    const { page } = await openPage(context)
    const evilOrigin = await listening(evil)
    await page.goto(evilOrigin)
    const cookies: Array<unknown> = []
    // The dashboard itself goes on asking meanwhile.
    app.server.on('request', ({ headers, method }) => { if (headers.origin === evilOrigin && method !== 'OPTIONS') cookies.push(headers.cookie) })
    const body = JSON.stringify({ all: true })
    const tried: Array<[path: string, init: { method?: string, body?: string, headers?: Record<string, string>, mode?: 'no-cors' }]> = [
      ['invalidate', { method: 'POST', body, headers: { 'content-type': 'application/json' } }],
      ['invalidate', { method: 'POST', body, headers: { 'content-type': 'text/plain' }, mode: 'no-cors' }],
      ['stats', {}]
    ]
    const statuses: Array<number | string> = []
    for (const [path, init] of tried) {
      statuses.push(await page.evaluate(async ({ url, init }) => await fetch(url, { credentials: 'include', ...init }).then(({ status, type }) => status === 0 ? type : status, () => 'refused'), { url: `${origin}/admin/cache/${path}`, init }))
    }
    t.notOk(statuses.includes(200), JSON.stringify(statuses))
    t.strictSame(cookies, [SIGNED_IN.cookie, SIGNED_IN.cookie, SIGNED_IN.cookie], 'they came as the operator')
    t.equal(await outcomeOf(app, '/users/1'), 'HIT')
  })

  await t.test('what is not there is said: a cache that is off, no fleet, nothing stored', async (t) => {
    const { page } = await opened(t, 'overview', { cache: { enabled: false }, load: async (app) => { await outcomeOf(app, '/users/1') } })
    await page.getByText('Switched off').waitFor()
    await page.goto(page.url().replace('#/overview', '#/entries'))
    await page.getByText('Nothing is stored.').waitFor()
    t.pass()
  })

  await t.test('nothing is wider than a phone, and polling stops while nobody looks', async (t) => {
    const { app, page } = await opened(t, 'overview', { admin: { onRequest: guard }, load: async (app) => { for (let id = 0; id < 30; id++) await outcomeOf(app, `/users/${id}?with=a-rather-long-query-${'x'.repeat(80)}`) } })
    await page.setViewportSize({ width: 360, height: 740 })
    for (const view of ['overview', 'endpoints', 'entries', 'invalidate', 'explain']) {
      await page.goto(page.url().replace(/#.*$/, `#/${view}`))
      await page.locator('.panel').first().waitFor()
      t.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360, view)
    }
    let polls = 0
    app.server.on('request', ({ url }) => { if (url === '/admin/cache/stats') polls++ })
    await page.waitForRequest(/stats$/)
    await page.evaluate(() => {
      Object.defineProperty(document, 'hidden', { value: true, configurable: true })
      document.dispatchEvent(new Event('visibilitychange'))
    })
    const before = polls
    await page.waitForTimeout(2600) // longer than the time between two polls
    t.ok(polls - before <= 1, `${polls - before} polls while hidden`)
    await page.evaluate(() => {
      Object.defineProperty(document, 'hidden', { value: false })
      document.dispatchEvent(new Event('visibilitychange'))
    })
    await page.waitForRequest(/stats$/)
  })
})
