import cors from '@fastify/cors'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { test, type Test } from 'tap'
import { openBrowser, openPage, whyNoBrowser, type Watched } from './browser.ts'
import { createScene, guard, listening, outcomeOf, SIGNED_IN, type SceneOptions } from './scene.ts'

/** The dashboard in a real browser. */

const skip = await whyNoBrowser() ?? false

/** The page asks again after so long. */
const POLL_MS = 2100

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
    // Its timers are run by the tests.
    await watched.page.clock.install()
    await watched.page.goto(`${origin}/admin/cache/#/${view}`)
    return { app, origin, context, ...watched }
  }

  /** Until the page shows it, with its next polls. */
  async function polled (page: Page, isShown: () => Promise<boolean>): Promise<void> {
    while (!await isShown()) await page.clock.runFor(POLL_MS)
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
    await page.locator('[data-tile="Stored"]', { hasText: '3entries' }).waitFor()
    t.match(await page.locator('[data-tile="Stored"]').textContent(), /^Stored3entries, 30 B$/)
    t.equal(await page.locator('figure svg[role="img"]').count(), 4)
    await page.getByRole('link', { name: 'Endpoints' }).click()
    const users = page.getByRole('row', { name: /GET \/users/ })
    t.strictSame((await users.getByRole('cell').allTextContents()).slice(0, 3), ['user', '20', '85.0 %'])
    await page.getByRole('button', { name: 'GET /session' }).click()
    await page.getByText('The response sets a cookie.').waitFor()
    t.match(await page.locator('.reasons', { hasText: 'not stored' }).textContent(), /5set-cookie/)
    await page.getByRole('button', { name: 'GET /users/:id' }).click()
    await page.locator('.facts.long', { hasText: 'Selected byprotocol and host, the path, all of the query' }).waitFor()
    t.match(await page.locator('.facts.long').textContent(), /Fresh for5 minutes.*Bypassed byrequests with credentials/)
    t.strictSame(complaints, [])
  })

  await t.test('what happens now is shown without a reload', async (t) => {
    const { app, page } = await opened(t, 'overview')
    const requests = page.locator('[data-tile="Requests"] .value')
    await requests.filter({ hasText: /^0$/ }).waitFor()
    for (let turn = 0; turn < 7; turn++) await outcomeOf(app, '/places')
    await polled(page, async () => await requests.textContent() === '7')
    t.pass()
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
    await polled(page, async () => await page.locator('.events', { hasText: 'user:1' }).count() === 1)
    t.strictSame(complaints, [])
  })

  await t.test('a preview that comes late offers nothing that is not named any more', async (t) => {
    const { page } = await opened(t, 'invalidate', { load: async (app) => { for (const id of [1, 2]) await outcomeOf(app, `/users/${id}`) } })
    let release = (): void => {}
    const held = new Promise<void>((resolve) => { release = resolve })
    await page.route('**/invalidate', async (route) => {
      await held
      await route.continue()
    })
    await page.getByLabel('Names, one a line').fill('user:1')
    await page.getByRole('button', { name: 'Preview' }).click()
    await page.getByLabel('Names, one a line').fill('users')
    const answered = page.waitForResponse('**/invalidate')
    release()
    await (await answered).finished()
    await page.evaluate(async () => (await fetch('assets/icon.svg')).status) // the page has its answer now
    const sure = page.getByRole('button', { name: /^Invalidate \d/ })
    t.equal(await sure.count(), 0)
    await page.getByRole('button', { name: 'Preview' }).click()
    await sure.waitFor()
    t.equal(await sure.textContent(), 'Invalidate 2 entries')
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
    await polled(page, async () => await page.locator('.events', { hasText: evil }).count() === 1)
    await page.getByLabel('Names, one a line').fill(evil)
    await page.getByLabel('By').selectOption('urls')
    await page.getByRole('button', { name: 'Preview' }).click()
    await page.locator('.failure').waitFor()
    t.equal(await page.locator('img').count(), 0)
    t.equal(await page.evaluate(() => 'isTaken' in window), false)
    t.strictSame(complaints.filter((text) => !text.includes('400')), [])
    // And if a script did: the policy stops it. This also shows that complaints are heard.
    await t.rejects(page.evaluate((markup) => { document.body.insertAdjacentHTML('beforeend', markup) }, evil), /TrustedHTML/)
    await page.evaluate(() => {
      const link = Object.assign(document.createElement('a'), { href: 'javascript:window.isTaken=1' })
      document.body.append(link)
      link.click()
    })
    const isStopped = (text: string): boolean => /Content Security Policy/.test(text) && /script-src|inline|javascript:/.test(text)
    while (!complaints.some(isStopped)) await page.waitForEvent('console')
    t.equal(await page.evaluate(() => 'isTaken' in window), false)
  })

  await t.test('what would be invisible, or turn around what stands beside it, is seen', async (t) => {
    const odd = 'a\u202eb\u200bc'
    const { page } = await opened(t, 'entries', { async load (app) { await app.cache.set('odd:1', `${odd}\n${'x'.repeat(5000)}`, { ttl: '1m', tags: [odd, 'y'.repeat(200)] }) } })
    await page.getByRole('cell', { name: 'a\\u{202e}b\\u{200b}c' }).waitFor()
    await page.getByRole('button', { name: 'odd:1' }).click()
    await page.locator('dialog pre').waitFor()
    t.notMatch(await page.locator('body').textContent(), /[\u202e\u200b]/)
    await page.setViewportSize({ width: 360, height: 740 })
    t.equal(await page.evaluate(() => document.querySelector('dialog')!.scrollWidth <= document.querySelector('dialog')!.clientWidth), true)
  })

  await t.test('without credentials there is nothing, and whose session ends is told so', async (t) => {
    const { context, origin, page } = await opened(t, 'overview', { load: async (app) => { await outcomeOf(app, '/users/1') } })
    await page.getByText('Store in use').waitFor()
    await context.clearCookies()
    await polled(page, async () => await page.getByRole('alert').filter({ hasText: 'You are not signed in' }).count() > 0)
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
    // The dashboard itself goes on asking meanwhile, and a browser may ask again.
    const seen = new Map<string, unknown>()
    app.server.on('request', ({ headers, method, url }) => { if (headers.origin === evilOrigin && method !== 'OPTIONS') seen.set(`${url} ${headers['content-type']}`, headers.cookie) })
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
    t.strictSame([...seen.values()], tried.map(() => SIGNED_IN.cookie), 'they came as the operator')
    t.equal(await outcomeOf(app, '/users/1'), 'HIT')
  })

  await t.test('what is not there is said: a cache that is off, no fleet, nothing stored', async (t) => {
    const { page } = await opened(t, 'overview', { cache: { enabled: false }, load: async (app) => { await outcomeOf(app, '/users/1') } })
    await page.getByText('Switched off').waitFor()
    await page.goto(page.url().replace('#/overview', '#/entries'))
    await page.getByText('Nothing is stored.').waitFor()
    t.pass()
  })

  await t.test('nothing is wider than a phone', async (t) => {
    const { page } = await opened(t, 'overview', { admin: { onRequest: guard }, load: async (app) => { for (let id = 0; id < 30; id++) await outcomeOf(app, `/users/${id}?with=a-rather-long-query-${'x'.repeat(80)}`) } })
    await page.setViewportSize({ width: 360, height: 740 })
    for (const view of ['overview', 'endpoints', 'entries', 'invalidate', 'explain']) {
      await page.goto(page.url().replace(/#.*$/, `#/${view}`))
      await page.locator('.panel').first().waitFor()
      t.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360, view)
    }
    t.equal(await page.evaluate(() => document.querySelector('nav')!.scrollWidth <= document.querySelector('nav')!.clientWidth), true, 'all views can be seen')
    await page.goto(page.url().replace(/#.*$/, '#/endpoints'))
    await page.getByRole('button', { name: 'GET /users/:id' }).click()
    await page.locator('.facts.long').waitFor()
    t.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360, 'a route')
  })

  await t.test('polling stops while nobody looks', async (t) => {
    const { app, page } = await opened(t, 'explain')
    const polls = { begun: 0, ended: 0 }
    app.server.on('request', ({ url }, response) => {
      if (url !== '/admin/cache/stats') return
      polls.begun++
      response.on('close', () => { polls.ended++ })
    })
    const isAnswered = async (): Promise<boolean> => polls.begun > 0 && polls.begun === polls.ended
    await polled(page, isAnswered)
    const look = async (isHidden: boolean): Promise<void> => await page.evaluate((hidden) => {
      Object.defineProperty(document, 'hidden', { value: hidden, configurable: true })
      document.dispatchEvent(new Event('visibilitychange'))
    }, isHidden)
    await look(true)
    const fetched = async (): Promise<unknown> => await page.evaluate(async () => (await fetch('assets/icon.svg')).status)
    await fetched() // what has been asked before has arrived
    const { begun } = polls
    for (let turn = 0; turn < 10; turn++) await page.clock.runFor(POLL_MS)
    await fetched()
    t.equal(polls.begun, begun, 'none while it is hidden')
    await look(false)
    await polled(page, async () => polls.begun > begun)
  })
})
