import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import Fastify from 'fastify'
import fp from 'fastify-plugin'
import responseCache from 'fastify-response-cache'
import { test, type Test } from 'tap'
import { cached, inEveryStore, open, together, unique, type Site } from './helpers.ts'

/*
 * A hit is a response like any other: whatever would have refused the request refuses it (ASP.NET, order of middleware).
 */

const HOOKS = ['onRequest', 'preParsing', 'preValidation', 'preHandler'] as const
type HookName = typeof HOOKS[number]

const allowed = { headers: { 'x-pass': 'open sesame' } }

async function guard (request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  if (request.headers['x-pass'] === 'open sesame') return
  return await reply.code(403).send('no entry')
}

function guardWithCallback (request: FastifyRequest, reply: FastifyReply, ...rest: unknown[]): void {
  const done = rest.at(-1) as (error?: Error) => void
  if (request.headers['x-pass'] === 'open sesame') done()
  else done(Object.assign(new Error('no entry'), { statusCode: 403 }))
}

/** With a filled cache, those who may enter get a hit and those who may not are refused. */
async function guarded (t: Test, site: Site, path: string, message: string): Promise<void> {
  await together(t, site, [[path, allowed], [path, allowed]], `${message}: a hit for those who may enter`)
  for (const method of ['GET', 'HEAD']) {
    const response = await site.ask(path, { method })
    t.equal(response.status, 403, `${message}: ${method} is refused`)
    t.not(response.field('x-cache'), 'HIT')
    t.notOk(response.text.includes('made'), message)
  }
}

inEveryStore('a hit never skips a guard of its route (ASP.NET, order of middleware)', async (t, cache) => {
  for (const hook of HOOKS) {
    for (const [form, one] of Object.entries({ promise: guard, callback: guardWithCallback })) {
      const path = `/${hook}/${form}`
      const site = await open(t, (app) => {
        app.get(path, { ...cached(), [hook]: one }, unique())
        app.get(`${path}/list`, { ...cached(), [hook]: [async () => {}, one, async () => {}] }, unique())
      }, { cache })
      await guarded(t, site, path, `${hook} with a ${form}`)
      await guarded(t, site, `${path}/list`, `${hook} with a ${form}, in a list`)
    }
  }
})

inEveryStore('a hit never skips a guard of its instance, wherever it was added (ASP.NET, order of middleware)', async (t, cache) => {
  for (const hook of HOOKS) {
    const place: Record<string, (app: FastifyInstance, path: string) => unknown> = {
      'before the route': (app, path) => {
        app.addHook(hook as 'onRequest', guard as never)
        app.get(path, cached(), unique())
      },
      'after the route': (app, path) => {
        app.get(path, cached(), unique())
        app.addHook(hook as 'onRequest', guard as never)
      },
      'in the parent': async (app, path) => {
        app.addHook(hook as 'onRequest', guard as never)
        await app.register(async (child) => { child.get(path, cached(), unique()) })
      },
      'in a child, after the route': async (app, path) => {
        await app.register(async (child) => {
          child.get(path, cached(), unique())
          child.addHook(hook as 'onRequest', guard as never)
        })
      },
      'by a plugin that comes later': async (app, path) => {
        app.get(path, cached(), unique())
        await app.register(fp(async (later) => { later.addHook(hook as 'onRequest', guard as never) }))
      }
    }
    for (const [title, declare] of Object.entries(place)) {
      const path = `/${hook}/${title.replaceAll(' ', '-')}`
      await guarded(t, await open(t, (app) => declare(app, path), { cache }), path, `${hook} ${title}`)
    }
  }
})

test('a guard that a plugin adds to each route runs before hits when that plugin comes first', async (t) => {
  for (const hook of HOOKS) {
    const app = Fastify()
    t.teardown(() => app.close())
    app.addHook('onRoute', (route) => { route[hook] = [guard] as never })
    await app.register(responseCache)
    app.get('/', cached(), unique())
    const inject = (headers: Record<string, string>) => app.inject({ url: '/', headers })
    await inject(allowed.headers)
    t.equal((await inject(allowed.headers)).headers['x-cache'], 'HIT')
    t.equal((await inject({})).statusCode, 403, hook)
  }
})

test('a guard that a later plugin puts behind the cache runs before hits all the same (ASP.NET, order of middleware)', async (t) => {
  const places: Record<string, (route: Record<string, unknown>, hook: HookName) => void> = {
    'at the end': (route, hook) => { route[hook] = [...[route[hook] ?? []].flat(), guard] },
    'pushed into the list': (route, hook) => { (route[hook] as unknown[]).push(guard) },
    'in place of all': (route, hook) => { route[hook] = guard },
    'in place of all, after another': (route, hook) => {
      route[hook] = async () => {}
      Object.assign(route, { [hook]: [route[hook], guard].flat() })
    },
    'into a list that it has kept': (route, hook) => {
      const list = route[hook] as unknown[]
      queueMicrotask(() => list.push(guard))
    }
  }
  for (const lookUp of ['preHandler', 'onRequest'] as const) {
    for (const [title, put] of Object.entries(places)) {
      const site = await open(t, async (app) => {
        app.addHook('onRoute', (route) => { put(route as never, lookUp) })
        app.get('/', cached({ hook: lookUp, shared: true, ...(lookUp === 'onRequest' ? { unguarded: true } : {}) }), unique())
      })
      await guarded(t, site, '/', `${lookUp} ${title}`)
    }
  }
})

test('a guard that a later plugin puts where it runs before the look-up guards hits', async (t) => {
  for (const hook of HOOKS) {
    const site = await open(t, (app) => {
      app.addHook('onRoute', (route) => { route[hook] = [guard, ...[route[hook] ?? []].flat()] as never })
      app.get(`/${hook}`, cached(), unique())
    })
    await guarded(t, site, `/${hook}`, hook)
  }
})

inEveryStore('a hit never skips validation (ASP.NET, order of middleware)', async (t, cache) => {
  const headers = { type: 'object', required: ['x-pass'], properties: { 'x-pass': { type: 'string', const: 'open sesame' } } }
  const site = await open(t, (app) => app.get('/', { ...cached(), schema: { headers } }, unique()), { cache })
  await together(t, site, [['/', allowed], ['/', allowed]])
  t.equal((await site.ask('/')).status, 400)
})

test('hits in onRequest are refused where they would skip a guard (ASP.NET, order of middleware)', async (t) => {
  for (const hook of HOOKS.slice(1)) {
    const places: Record<string, (app: FastifyInstance, route: ReturnType<typeof cached>) => unknown> = {
      'of the route': (app, route) => app.get('/', { ...route, [hook]: guard }, unique()),
      'of the route, in a list': (app, route) => app.get('/', { ...route, [hook]: [guard] }, unique()),
      'of the instance': (app, route) => {
        app.addHook(hook as 'onRequest', guard as never)
        app.get('/', route, unique())
      },
      'of the instance, later': (app, route) => {
        app.get('/', route, unique())
        app.addHook(hook as 'onRequest', guard as never)
      },
      'of the parent': async (app, route) => {
        app.addHook(hook as 'onRequest', guard as never)
        await app.register(async (child) => { child.get('/', route, unique()) })
      },
      'of a child': async (app, route) => {
        await app.register(async (child) => {
          child.get('/', route, unique())
          child.addHook(hook as 'onRequest', guard as never)
        })
      },
      'of a later plugin': (app, route) => {
        app.addHook('onRoute', (options) => { options[hook] = [guard] as never })
        app.get('/', route, unique())
      }
    }
    for (const [title, declare] of Object.entries(places)) {
      const refused = open(t, (app) => declare(app, cached({ hook: 'onRequest' })))
      await t.rejects(refused, { code: 'RESPONSE_CACHE_ERR_UNGUARDED', message: new RegExp(hook) }, `${hook} ${title}`)
      await t.resolves(open(t, (app) => declare(app, cached({ hook: 'onRequest', unguarded: true }))), `${hook} ${title}, said to be no guard`)
    }
  }
})

inEveryStore('hits in onRequest run the guards in onRequest, and skip others only where the route says so', async (t, cache) => {
  const site = await open(t, (app) => {
    app.get('/guarded', { ...cached({ hook: 'onRequest' }), onRequest: guard }, unique())
    app.get('/unguarded', { ...cached({ hook: 'onRequest', unguarded: true }), preHandler: guard }, unique())
  }, { cache })
  await guarded(t, site, '/guarded', 'onRequest')
  await together(t, site, [['/unguarded', allowed], ['/unguarded']], 'as the route says')
})

test('hits in onRequest are not for credentials either (RFC 9111 section 3.5)', async (t) => {
  const site = await open(t, (app) => app.get('/', cached({ hook: 'onRequest' }), unique()))
  await together(t, site, [['/'], ['/']])
  for (const headers of [{ authorization: 'a' }, { cookie: 'sid=1' }, { 'x-api-key': 'a' }] as Array<Record<string, string>>) {
    t.equal((await site.ask('/', { headers })).field('x-cache'), 'BYPASS')
  }
})

inEveryStore('what a guard answers is not stored, nor is what follows an error (CPDoS)', async (t, cache) => {
  let fails = true
  const site = await open(t, (app) => {
    app.setErrorHandler(async (error, request, reply) => await reply.code(500).send((error as Error).message))
    app.get('/guarded', { ...cached({ statusCodes: [200, 403] }), preHandler: guard }, unique())
    app.get('/failing', cached(), async () => {
      if (fails) throw new Error('once')
      return 'well'
    })
  }, { cache })
  t.equal((await site.ask('/guarded')).status, 403)
  t.equal((await site.ask('/guarded', allowed)).status, 200, 'the refusal is not for those who may enter')
  t.equal((await site.ask('/failing')).status, 500)
  fails = false
  t.equal((await site.ask('/failing')).text, 'well')
})

inEveryStore('what an onSend hook refuses to send on a hit is not sent', async (t, cache) => {
  let isClosed = false
  const site = await open(t, (app) => {
    app.addHook('onSend', async () => { if (isClosed) throw new Error('closed') })
    app.setErrorHandler(async (error, request, reply) => await reply.code(200).send({ errors: [(error as Error).message] }))
    app.get('/', cached(), async () => 'secret')
  }, { cache })
  await together(t, site, [['/'], ['/']])
  isClosed = true
  t.notOk((await site.ask('/')).text.includes('secret'))
})

test('what a hook added behind the cache says of a response is heard (Hono CVE-2026-24472, CVE-2022-24894)', async (t) => {
  const fields: Record<string, string> = { 'cache-control': 'private', 'set-cookie': 'sid=secret', vary: '*' }
  for (const [name, value] of Object.entries(fields)) {
    const site = await open(t, (app) => {
      app.addHook('onRoute', (route) => {
        route.onSend = [...[route.onSend ?? []].flat(), async (request: FastifyRequest, reply: FastifyReply) => { reply.header(name, value) }] as never
      })
      app.get('/', cached(), unique())
    })
    const [first, second] = [await site.ask('/'), await site.ask('/')]
    t.not(second.text, first.text, `${name}: ${value}`)
  }
})
