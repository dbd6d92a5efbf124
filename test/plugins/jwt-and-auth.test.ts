import auth from '@fastify/auth'
import type { FastifyInstance, FastifyPluginCallback, FastifyReply, FastifyRequest } from 'fastify'
import type { Service } from '../plugin/serve.ts'
import { cached, counter, inBothOrders } from './orders.ts'

interface JwtOptions {
  secret: string
  decoratorName?: string
  verify?: { extractToken (request: FastifyRequest): string }
}

interface Signs {
  jwt: { sign (payload: { sub: string, iat?: number }, options?: { expiresIn: number }): string }
}

/** By a name that the compiler does not follow: its types would say what `request.user` is, for all tests of this project. */
const NAME: string = '@fastify/jwt'
const { default: jwt }: { default: FastifyPluginCallback<JwtOptions> } = await import(NAME)

const SECRET = 'a secret of more than thirty-two characters'

async function verify (request: FastifyRequest): Promise<void> {
  await (request as unknown as { jwtVerify (): Promise<unknown> }).jwtVerify()
}

function nameOf (request: FastifyRequest): string {
  return (request as unknown as { user: { sub: string } }).user.sub
}

function signer (app: FastifyInstance): Signs['jwt']['sign'] {
  const { jwt } = app as unknown as Signs
  return (payload, options) => jwt.sign(payload, options)
}

type Answer = [status: number, outcome: string | undefined, text: string]

async function ask ({ get }: Service, path: string, token?: string): Promise<Answer> {
  const response = await get(path, { headers: token === undefined ? {} : { authorization: `Bearer ${token}` } })
  return [response.status, response.field('x-cache'), response.text]
}

for (const hook of ['onRequest', 'preValidation', 'preHandler'] as const) {
  inBothOrders(`@fastify/jwt: with jwtVerify in ${hook} each user has responses of his own, and a refused one none`, () => ({
    plugin: (app) => app.register(jwt, { secret: SECRET }),
    routes: (app) => {
      app.get('/me', { ...cached({ varyByUser: true }), [hook]: verify }, async (request) => `you are ${nameOf(request)}`)
    }
  }), async (t, service) => {
    const sign = (sub: string, iat?: number): string => signer(service.app)({ sub, ...iat === undefined ? {} : { iat } }, { expiresIn: 60 })
    for (const outcome of ['MISS', 'HIT']) {
      for (const user of ['ada', 'bob']) t.strictSame(await ask(service, '/me', sign(user)), [200, outcome, `you are ${user}`])
    }
    const expired = sign('ada', Math.floor(Date.now() / 1000) - 3600)
    for (const token of [undefined, expired, `${sign('ada').slice(0, -8)}xxxxxxxx`, 'nonsense']) {
      const [status, outcome, text] = await ask(service, '/me', token)
      t.equal(status, 401)
      t.equal(outcome, undefined)
      t.notMatch(text, /you are/)
    }
  })
}

inBothOrders('@fastify/jwt: a guard of the whole app counts like one of the route', () => ({
  plugin: async (app) => {
    await app.register(jwt, { secret: SECRET })
    app.addHook('onRequest', verify)
  },
  routes: (app) => {
    app.get('/prices', cached({ shared: true }), counter())
    app.get('/onRequest', cached({ shared: true, hook: 'onRequest' }), counter())
  }
}), async (t, service) => {
  const [ada, bob] = ['ada', 'bob'].map((sub) => signer(service.app)({ sub }))
  for (const path of ['/prices', '/onRequest']) {
    t.strictSame(await ask(service, path, ada), [200, 'MISS', '{"made":1}'])
    t.strictSame(await ask(service, path, bob), [200, 'HIT', '{"made":1}'])
    t.equal((await ask(service, path))[0], 401)
  }
})

inBothOrders('@fastify/jwt: with jwtVerify inside the handler nothing is cached, whatever the route says but shared', () => ({
  plugin: (app) => app.register(jwt, { secret: SECRET }),
  routes: (app) => {
    const handler = async (request: FastifyRequest): Promise<string> => {
      await verify(request)
      return `you are ${nameOf(request)}`
    }
    app.get('/plain', cached(), handler)
    app.get('/byUser', cached({ varyByUser: true }), handler)
  }
}), async (t, service) => {
  for (const [path, reason] of [['/plain', 'credentials'], ['/byUser', 'user-unknown']] as const) {
    for (const user of ['ada', 'bob', 'ada']) {
      const response = await service.get(path, { headers: { authorization: `Bearer ${signer(service.app)({ sub: user })}` } })
      t.strictSame([response.text, response.field('cache-status')], [`you are ${user}`, `fastify-response-cache; fwd=bypass; detail=${reason}`])
    }
    t.equal((await ask(service, path))[0], 401)
  }
})

inBothOrders('@fastify/jwt: a token from where the cache does not look is noticed when the handler has verified it', () => ({
  plugin: (app) => app.register(jwt, { secret: SECRET, verify: { extractToken: (request) => request.headers['x-badge'] as string } }),
  routes: (app) => {
    app.get('/', cached(), async (request) => {
      await verify(request)
      return `you are ${nameOf(request)}`
    })
  }
}), async (t, service) => {
  for (const user of ['ada', 'bob', 'ada']) {
    const response = await service.get('/', { headers: { 'x-badge': signer(service.app)({ sub: user }) } })
    t.strictSame([response.text, response.field('cache-status')], [`you are ${user}`, 'fastify-response-cache; fwd=uri-miss; detail=credentials'])
  }
})

inBothOrders('@fastify/jwt: a decoratorName of its own is read by the plugin option user', () => ({
  plugin: (app) => app.register(jwt, { secret: SECRET, decoratorName: 'customer' }),
  cache: { user: (request) => (request as unknown as { customer?: { sub: string } }).customer?.sub },
  routes: (app) => {
    app.get('/', { ...cached({ varyByUser: true }), onRequest: verify }, async (request) => `you are ${(request as unknown as { customer: { sub: string } }).customer.sub}`)
  }
}), async (t, service) => {
  const [ada, bob] = ['ada', 'bob'].map((sub) => signer(service.app)({ sub }))
  for (const outcome of ['MISS', 'HIT']) {
    t.strictSame(await ask(service, '/', ada), [200, outcome, 'you are ada'])
    t.strictSame(await ask(service, '/', bob), [200, outcome, 'you are bob'])
  }
})

/** Lets in who has the word of the day, and who is an admin. */
async function authApp (app: FastifyInstance): Promise<void> {
  const word = { today: 'sesame' }
  app.decorate('wordIsKnown', async (request: FastifyRequest) => {
    if (request.headers['x-word'] !== word.today) throw Object.assign(new Error('wrong word'), { statusCode: 401 })
  })
  app.decorate('isAdmin', (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => {
    done(request.headers['x-role'] === 'admin' ? undefined : Object.assign(new Error('no admin'), { statusCode: 403 }))
  })
  app.post('/change', async () => { word.today = 'barley' })
  await app.register(auth)
}

interface Guards {
  wordIsKnown (request: FastifyRequest): Promise<void>
  isAdmin (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void
}

for (const relation of ['or', 'and'] as const) {
  for (const hook of ['onRequest', 'preHandler'] as const) {
    inBothOrders(`@fastify/auth: whom fastify.auth refuses (${relation}, ${hook}) never gets a hit`, () => ({
      plugin: authApp,
      routes: (app) => {
        const { wordIsKnown, isAdmin } = app as unknown as Guards
        app.get('/', { ...cached(), [hook]: app.auth([wordIsKnown, isAdmin], { relation }) }, counter())
      }
    }), async (t, { get }) => {
      const both = { 'x-word': 'sesame', 'x-role': 'admin' }
      t.equal((await get('/', { headers: both })).field('x-cache'), 'MISS')
      const expected = relation === 'or' ? 200 : 401
      for (const [headers, status] of [[both, 200], [{ 'x-word': 'sesame' }, relation === 'or' ? 200 : 403], [{ 'x-role': 'admin' }, expected], [{}, relation === 'or' ? 403 : 401]] as const) {
        const response = await get('/', { headers })
        t.equal(response.status, status, JSON.stringify(headers))
        t.equal(response.field('x-cache'), status === 200 ? 'HIT' : undefined)
        t.equal(response.text.includes('made'), status === 200)
      }
      await get('/change', { method: 'POST' })
      t.not((await get('/', { headers: { 'x-word': 'sesame' } })).status, 200, 'also when he was let in before')
    })
  }
}

inBothOrders('@fastify/auth: a guard that an onRoute hook puts on routes, however late, refuses hits as well', () => ({
  plugin: async (app) => {
    await authApp(app)
    app.addHook('onRoute', (route) => {
      if (route.url === '/') route.preHandler = [...[route.preHandler ?? []].flat(), app.auth([(app as unknown as Guards).isAdmin])]
    })
  },
  routes: (app) => { app.get('/', cached(), counter()) }
}), async (t, { get }) => {
  const headers = { 'x-role': 'admin' }
  for (const outcome of ['MISS', 'HIT']) t.equal((await get('/', { headers })).field('x-cache'), outcome)
  const refused = await get('/')
  t.strictSame([refused.status, refused.field('x-cache')], [403, undefined])
})

inBothOrders('@fastify/auth: a guard that pushes itself into the hooks of a route refuses hits as well', () => ({
  plugin: async (app) => {
    await authApp(app)
    app.addHook('onRoute', (route) => {
      const guard = app.auth([(app as unknown as Guards).isAdmin])
      if (Array.isArray(route.preHandler)) route.preHandler.push(guard)
      else route.preHandler = [guard]
    })
  },
  routes: (app) => { app.get('/', cached(), counter()) }
}), async (t, { get }) => {
  const headers = { 'x-role': 'admin' }
  for (const outcome of ['MISS', 'HIT']) t.equal((await get('/', { headers })).field('x-cache'), outcome)
  t.equal((await get('/')).status, 403)
})
