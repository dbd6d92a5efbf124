import cookie from '@fastify/cookie'
import session, { type FastifySessionOptions } from '@fastify/session'
import type { FastifyInstance } from 'fastify'
import { repeats, type Service } from '../plugin/serve.ts'
import type { Exchange } from '../plugin/exchange.ts'
import { cached, counter, inBothOrders } from './orders.ts'

declare module 'fastify' {
  interface Session {
    userId?: string
    visits?: number
  }
}

const SECRET = 'a secret of more than thirty-two characters'

inBothOrders('@fastify/cookie: a response that sets a cookie is never stored, whoever has set it', () => {
  return {
    plugin: async (app) => {
      await app.register(cookie, { secret: SECRET })
      app.addHook('onRequest', async (request, reply) => {
        if (request.url === '/hook') reply.setCookie('seen', '1')
      })
    },
    routes: (app) => {
      app.get('/handler', cached(), async (request, reply) => reply.setCookie('sid', 'secret').send('text'))
      app.get('/signed', cached(), async (request, reply) => reply.setCookie('sid', 'secret', { signed: true }).send('text'))
      app.get('/cleared', cached(), async (request, reply) => reply.clearCookie('sid').send('text'))
      app.get('/hook', cached(), counter())
    }
  }
}, async (t, { get }) => {
  for (const path of ['/handler', '/signed', '/cleared', '/hook']) {
    for (let time = 0; time < 2; time++) {
      const response = await get(path)
      t.equal(response.field('cache-status'), 'fastify-response-cache; fwd=uri-miss; detail=set-cookie', path)
      t.equal(response.lines.filter(([name]) => name === 'set-cookie').length, 1)
    }
  }
})

inBothOrders('@fastify/cookie: a cookie that a hook sets on a hit is for that request alone', () => ({
  plugin: async (app) => {
    await app.register(cookie)
    app.addHook('onRequest', async (request, reply) => {
      const visitor = request.headers['x-visitor']
      if (typeof visitor === 'string') reply.setCookie('visitor', visitor)
    })
  },
  routes: (app) => { app.get('/', cached(), counter()) }
}), async (t, { get }) => {
  const miss = await get('/')
  const known = await get('/', { headers: { 'x-visitor': 'ada' } })
  t.strictSame([known.field('x-cache'), known.field('set-cookie')?.split(';', 1)[0], known.text], ['HIT', 'visitor=ada', miss.text])
  const next = await get('/')
  t.strictSame([next.field('x-cache'), next.field('set-cookie')], ['HIT', undefined])
})

inBothOrders('@fastify/cookie: varyByCookies keeps the responses of a cookie apart, and other cookies are not answered with them', () => ({
  plugin: (app) => app.register(cookie),
  routes: (app) => {
    app.get('/', cached({ varyByCookies: ['theme'] }), async (request) => `theme ${request.cookies['theme'] ?? 'none'}`)
  }
}), async (t, { get }) => {
  const ask = async (cookie?: string): Promise<Array<string | undefined>> => {
    const response = await get('/', { headers: cookie === undefined ? {} : { cookie } })
    return [response.field('x-cache'), response.text]
  }
  for (const outcome of ['MISS', 'HIT']) {
    t.strictSame(await ask('theme=dark'), [outcome, 'theme dark'])
    t.strictSame(await ask('theme=light'), [outcome, 'theme light'])
    t.strictSame(await ask(), [outcome, 'theme none'])
  }
  t.strictSame(await ask('theme=dark; sid=1'), ['BYPASS', 'theme dark'])
  t.strictSame(await ask('_ga=1; theme=dark'), ['HIT', 'theme dark'])
})

inBothOrders('@fastify/cookie: a user read from a signed cookie has responses of his own, and a forged signature has none', () => ({
  plugin: (app) => app.register(cookie, { secret: SECRET }),
  cache: { user: (request) => userOf(request as unknown as Parameters<typeof userOf>[0]) },
  routes: (app) => {
    app.get('/me', cached({ varyByUser: true }), async (request) => `you are ${userOf(request) ?? 'nobody'}`)
  }
}), async (t, { app, get }) => {
  const signed = (user: string): string => `user=${encodeURIComponent(app.signCookie(user))}`
  const ask = async (cookie: string): Promise<Array<string | undefined>> => {
    const response = await get('/me', { headers: { cookie } })
    return [response.field('x-cache'), response.text]
  }
  for (const outcome of ['MISS', 'HIT']) {
    for (const user of ['ada', 'bob']) t.strictSame(await ask(signed(user)), [outcome, `you are ${user}`])
  }
  t.strictSame(await ask(signed('ada').replace(/.$/, (last) => last === 'A' ? 'B' : 'A')), ['BYPASS', 'you are nobody'])
  t.strictSame(await ask('user=ada'), ['BYPASS', 'you are nobody'])
})

function userOf ({ cookies, unsignCookie }: { cookies: Record<string, string | undefined>, unsignCookie: FastifyInstance['unsignCookie'] }): string | undefined {
  const { user } = cookies
  const { valid, value } = user === undefined ? { valid: false, value: null } : unsignCookie(user)
  return valid && value !== null ? value : undefined
}

/** An app with a login by session. */
function sessionApp (options: Partial<FastifySessionOptions>, cache: { varyByUser: boolean } = { varyByUser: true }): Parameters<typeof inBothOrders>[1] {
  return () => ({
    plugin: async (app) => {
      await app.register(cookie)
      await app.register(session, { secret: SECRET, cookie: { secure: false }, ...options })
    },
    cache: { user: (request) => (request as unknown as { session: { userId?: string } }).session.userId },
    routes: (app) => {
      app.get('/me', cached(cache), async (request) => `you are ${request.session.userId ?? 'nobody'}`)
      app.post('/login/:user', async (request) => {
        await request.session.regenerate()
        request.session.userId = (request.params as { user: string }).user
      })
      app.post('/logout', async (request) => { await request.session.destroy() })
    }
  })
}

function cookieOf (response: Exchange): string {
  return response.field('set-cookie')!.split(';', 1)[0]!
}

async function login ({ get }: Service, user: string): Promise<string> {
  return cookieOf(await get(`/login/${user}`, { method: 'POST' }))
}

const QUIET = { rolling: false, saveUninitialized: false }

inBothOrders('@fastify/session: each user has responses of his own, and a hit sets no cookie', sessionApp(QUIET), async (t, service) => {
  const cookies = { ada: await login(service, 'ada'), bob: await login(service, 'bob') }
  for (const outcome of ['MISS', 'HIT']) {
    for (const [user, cookie] of Object.entries(cookies)) {
      const response = await service.get('/me', { headers: { cookie } })
      t.strictSame([response.field('x-cache'), response.text, response.field('set-cookie')], [outcome, `you are ${user}`, undefined])
    }
    const nobody = await service.get('/me')
    t.strictSame([nobody.field('x-cache'), nobody.text, nobody.field('set-cookie')], [outcome, 'you are nobody', undefined])
  }
  await service.get('/logout', { method: 'POST', headers: { cookie: cookies.ada } })
  const former = await service.get('/me', { headers: { cookie: cookies.ada } })
  t.strictSame([former.field('x-cache'), former.text], ['BYPASS', 'you are nobody'])
})

for (const [title, options] of [['the defaults', {}], ['rolling cookies', { rolling: true, saveUninitialized: false }], ['sessions for everybody', { rolling: false, saveUninitialized: true }]] as const) {
  inBothOrders(`@fastify/session: with ${title} no session is ever shared`, sessionApp(options), async (t, service) => {
    const cookies = { ada: await login(service, 'ada'), bob: await login(service, 'bob') }
    const given = new Set<string>()
    for (let time = 0; time < 3; time++) {
      for (const [user, cookie] of Object.entries(cookies)) {
        const response = await service.get('/me', { headers: { cookie } })
        t.equal(response.text, `you are ${user}`)
        if (response.field('set-cookie') !== undefined) t.equal(cookieOf(response).split('.')[0], cookie.split('.')[0], 'his own')
        if (response.field('set-cookie') !== undefined) t.equal(response.field('cache-status'), 'fastify-response-cache; fwd=uri-miss; detail=set-cookie')
      }
      const nobody = await service.get('/me')
      t.equal(nobody.text, 'you are nobody')
      if (nobody.field('set-cookie') === undefined) continue
      t.notOk(given.has(cookieOf(nobody)), 'a session of his own')
      given.add(cookieOf(nobody))
    }
    t.equal(given.size, 'saveUninitialized' in options && !options.saveUninitialized ? 0 : 3)
  })
}

inBothOrders('@fastify/session: a route that does not say varyByUser is cached for those without a session only', sessionApp(QUIET, { varyByUser: false }), async (t, service) => {
  const cookie = await login(service, 'ada')
  await repeats(t, service, '/me')
  for (let time = 0; time < 2; time++) {
    const response = await service.get('/me', { headers: { cookie } })
    t.strictSame([response.field('cache-status'), response.text], ['fastify-response-cache; fwd=bypass; detail=credentials', 'you are ada'])
  }
})

inBothOrders('@fastify/session: what a hook writes into the session on a hit is saved', () => ({
  plugin: async (app) => {
    await app.register(cookie)
    await app.register(session, { secret: SECRET, cookie: { secure: false }, ...QUIET })
  },
  cache: { user: (request) => (request as unknown as { session: { userId?: string } }).session.userId },
  routes: (app) => {
    app.post('/login/:user', async (request) => { request.session.userId = (request.params as { user: string }).user })
    app.get('/me', {
      ...cached({ varyByUser: true }),
      preHandler: async (request, reply) => {
        request.session.visits = (request.session.visits ?? 0) + 1
        reply.header('x-visits', request.session.visits)
      }
    }, counter())
  }
}), async (t, service) => {
  const cookie = await login(service, 'ada')
  const visits = []
  for (let time = 0; time < 3; time++) visits.push((await service.get('/me', { headers: { cookie } })).field('x-visits'))
  t.strictSame(visits, ['1', '2', '3'])
})
