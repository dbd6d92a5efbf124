/**
 * Makes the pictures in docs/images of a real app under load: `node --import=tsx test/admin/screenshots.ts`. It takes about a minute.
 */
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import responseCache from 'fastify-response-cache'
import { chromium, type Page } from 'playwright-core'
import cacheAdmin from '../../lib/admin/index.ts'
import { findOnPath } from '../helpers/find-on-path.ts'
import { listening } from './scene.ts'

const folder = join(import.meta.dirname, '..', '..', 'docs', 'images')
const LOAD_MS = 45_000

async function app (): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(responseCache, { defaults: { ttl: '5m', namespace: 'page' }, namespaces: { user: { ttl: '1h' }, place: { ttl: '10m' } } })
  const made = (ms: number, body: object) => async ({ params }: { params: unknown }) => {
    await wait(ms * (0.5 + Math.random()))
    return { ...Object(params), ...body }
  }
  app.get('/users/:id', { config: { cache: { namespace: 'user', tags: ({ params }) => [`user:${params['id']}`, 'users'] } } }, made(30, { name: 'Ada' }))
  app.get('/places', { config: { cache: { namespace: 'place', tags: ['places'] } } }, made(120, { places: Array.from({ length: 50 }, () => ({ name: 'Lisbon' })) }))
  app.get('/places/:id/weather', { config: { cache: { namespace: 'place', ttl: 2 } } }, made(80, { degrees: 21 }))
  app.get('/search', { config: { cache: { ttl: '30s' } } }, made(45, { found: [] }))
  app.get('/front', { config: { cache: { ttl: 1, staleWhileRevalidate: '1m' } } }, made(200, {}))
  app.get('/news', { config: { cache: true } }, async (_request, reply) => {
    await wait(15)
    reply.header('set-cookie', 'seen=1')
    return {}
  })
  await app.register(cacheAdmin, { prefix: '/admin/cache', public: true })
  return app
}

function someUrl (): string {
  const roll = Math.random()
  if (roll < 0.5) return `/users/${Math.floor(Math.random() ** 2 * 60)}`
  if (roll < 0.68) return '/places'
  if (roll < 0.78) return `/places/${Math.floor(Math.random() * 4)}/weather`
  if (roll < 0.82) return '/news'
  return roll < 0.88 ? `/search?q=${Math.floor(Math.random() * 300)}` : '/front'
}

async function load (app: FastifyInstance, until: number): Promise<void> {
  while (Date.now() < until) {
    await wait(Math.random() * 40)
    await app.inject({ url: someUrl(), headers: Math.random() < 0.06 ? { authorization: 'Bearer a' } : {} })
    if (Math.random() < 0.004) await app.cache.invalidateTags('users')
  }
}

const service = await app()
const origin = await listening(service)
const browser = await chromium.launch({ executablePath: findOnPath(['chromium', 'chromium-browser', 'google-chrome'])!, args: ['--no-sandbox'] })
const loading = Promise.all([load(service, Date.now() + LOAD_MS), load(service, Date.now() + LOAD_MS)])

async function opened (view: string, { dark = false, width = 1160, height = 900 } = {}): Promise<Page> {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light' })
  await page.goto(`${origin}/admin/cache/#/${view}`)
  return page
}

const pages = {
  'dashboard-overview': await opened('overview'),
  'dashboard-dark': await opened('overview', { dark: true }),
  'dashboard-phone': await opened('overview', { width: 360, height: 740 }),
  'dashboard-endpoints': await opened('endpoints', { height: 1000 }),
  'dashboard-invalidate': await opened('invalidate', { height: 800 })
}
await wait(LOAD_MS - 8000)
await pages['dashboard-endpoints'].getByRole('button', { name: 'GET /news' }).click()
await pages['dashboard-invalidate'].getByLabel('Names, one a line').fill('users')
await pages['dashboard-invalidate'].getByRole('button', { name: 'Preview' }).click()
await wait(3000)
for (const [name, page] of Object.entries(pages)) await page.screenshot({ path: join(folder, `${name}.png`), fullPage: name !== 'dashboard-phone' })
await loading
await browser.close()
await service.close()
