// A computed answer to a POST, kept by its body:  npx tsx examples/post-body.ts
// curl -i --json '{"amount": 1000, "years": 20}' http://127.0.0.1:3000/loans
import Fastify from 'fastify'
import responseCache from 'fastify-response-cache'

const app = Fastify()
await app.register(responseCache)

const body = {
  type: 'object',
  required: ['amount', 'years'],
  additionalProperties: false,
  properties: { amount: { type: 'number', minimum: 1 }, years: { type: 'integer', minimum: 1, maximum: 50 } }
} as const

// The validated body is part of the key: {"years":20,"amount":1000} gets the same response, so does "1000" in quotes.
app.post<{ Body: { amount: number, years: number } }>('/loans', {
  schema: { body },
  config: { cache: { ttl: '5m', varyByBody: true } }
}, async ({ body: { amount, years } }) => {
  const monthlyRate = 0.04 / 12
  return { monthly: amount * monthlyRate / (1 - (1 + monthlyRate) ** (-12 * years)), computedAt: new Date() }
})

const address = await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT ?? 3000) })
console.log(`curl -i --json '{"amount": 1000, "years": 20}' ${address}/loans`)
