// One place says what has happened, another what that means for the cache:  npx tsx examples/events.ts
// curl -i http://127.0.0.1:3000/users/7/points
import Fastify from 'fastify'
import responseCache from 'fastify-response-cache'

const app = Fastify()
await app.register(responseCache) // { redis: 'redis://127.0.0.1:6379' }: then also for events of other processes and services

const points = new Map<number, number>()

// What the event means.
app.cache.invalidateOn('points_changed', (data: { userId: number }) => ({ tags: [`points:${data.userId}`] }))

app.get<{ Params: { id: string } }>('/users/:id/points', {
  config: { cache: { ttl: '1h', tags: (request) => [`points:${request.params.id}`] } }
}, async ({ params: { id } }) => ({ user: id, points: points.get(Number(id)) ?? 0, readAt: new Date() }))

// That it has happened. With Redis, any service can say so:
//   redis-cli XADD cache:events MAXLEN '~' 10000 '*' json '{"event":"points_changed","data":{"userId":7}}'
app.post<{ Params: { id: string } }>('/users/:id/orders', async ({ params: { id } }) => {
  const userId = Number(id)
  points.set(userId, (points.get(userId) ?? 0) + 10)
  await app.cache.publish('points_changed', { userId })
  return { points: points.get(userId) }
})

const address = await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT ?? 3000) })
console.log(`curl -i ${address}/users/7/points`)
console.log(`curl -X POST ${address}/users/7/orders`)
