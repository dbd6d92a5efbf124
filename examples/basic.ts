// A slow route, cached for five minutes:  npx tsx examples/basic.ts
// Then twice:  curl -i http://127.0.0.1:3000/report
import Fastify from 'fastify'
import responseCache from 'fastify-response-cache'

const app = Fastify()
await app.register(responseCache) // in this process; { redis: 'redis://127.0.0.1:6379' } shares it

app.get('/report', { config: { cache: '5m' } }, async () => {
  await new Promise((resolve) => { setTimeout(resolve, 500) }) // stands for a slow query
  return { total: 42, at: new Date() }
})

const address = await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT ?? 3000) })
console.log(`curl -i ${address}/report`)
