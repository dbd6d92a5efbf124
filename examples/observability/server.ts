// A shop that tells Prometheus what its cache does. See README.md here.
import { optionsFromEnv } from 'fastify-response-cache'
import { buildShop } from './shop.ts'

const app = await buildShop({ cache: optionsFromEnv(process.env), logger: { level: process.env.LOG_LEVEL ?? 'warn' } })
const address = await app.listen({ host: process.env.HOST ?? '127.0.0.1', port: Number(process.env.PORT ?? 3000) })
console.log(`curl ${address}/products/1
curl ${address}/metrics`)

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, async () => { await app.close() })
