// What a handler computes, cached by itself:  npx tsx examples/functions.ts
// curl -i http://127.0.0.1:3000/rates/eur
import Fastify from 'fastify'
import responseCache from 'fastify-response-cache'

const app = Fastify()
await app.register(responseCache, { namespaces: { rates: { ttl: '10m' } } })

interface Rates { base: string, at: Date, rates: Map<string, number> }

let calls = 0
async function fetchRates (base: string): Promise<Rates> {
  calls++
  await new Promise((resolve) => { setTimeout(resolve, 300) }) // stands for a slow service
  return { base, at: new Date(), rates: new Map([['usd', 1.1], ['gbp', 0.9]]) }
}

// Ten requests at once make one call. The Date and the Map come back as a Date and a Map.
app.get<{ Params: { base: string } }>('/rates/:base', async ({ params: { base } }) => {
  const { at, rates } = await app.cache.getOrSet(`rates:${base}`, () => fetchRates(base))
  return { base, ageMs: Date.now() - at.getTime(), usd: rates.get('usd'), calls }
})

app.delete<{ Params: { base: string } }>('/rates/:base', async ({ params: { base } }) => {
  return { deleted: await app.cache.delete(`rates:${base}`) }
})

const address = await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT ?? 3000) })
console.log(`curl -i ${address}/rates/eur`)
