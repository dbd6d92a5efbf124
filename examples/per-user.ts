// One URL, a response for each user:  npx tsx examples/per-user.ts
// curl -i -H 'Authorization: Bearer ada' http://127.0.0.1:3000/me      (then again, then with grace)
import Fastify, { type FastifyRequest } from 'fastify'
import responseCache from 'fastify-response-cache'

const USERS = new Map([['ada', { id: '1', role: 'admin' }], ['grace', { id: '2', role: 'member' }]])

const app = Fastify()
app.decorateRequest('user', null)
await app.register(responseCache, { namespaces: { user: { ttl: '1m', varyByUser: true } } })

// Stands for a real guard such as @fastify/jwt. It runs before every hit as well.
async function authenticate (request: FastifyRequest): Promise<void> {
  const user = USERS.get(request.headers.authorization?.replace('Bearer ', '') ?? '')
  if (user === undefined) throw Object.assign(new Error('Who are you?'), { statusCode: 401 })
  request.setDecorator('user', user)
}

// request.user.id is part of the key.
app.get('/me', { onRequest: authenticate, config: { cache: { namespace: 'user' } } }, async (request) => {
  return { user: request.getDecorator('user'), at: new Date() }
})

// Users with the same role share a response.
app.get('/menu', {
  onRequest: authenticate,
  config: { cache: { ttl: '5m', varyByUser: (request) => request.user?.role } }
}, async (request) => {
  return { entries: request.getDecorator<{ role: string }>('user').role === 'admin' ? ['home', 'users'] : ['home'] }
})

const address = await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT ?? 3000) })
console.log(`curl -i -H 'Authorization: Bearer ada' ${address}/me`)
