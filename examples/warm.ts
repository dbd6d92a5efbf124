// Fills the cache before anybody asks:  npx tsx examples/warm.ts
// In a terminal a bar shows how far it is.
import Fastify from 'fastify'
import responseCache from 'fastify-response-cache'

const host = 'shop.example'
const app = Fastify()
await app.register(responseCache, {
  defaults: { ttl: '10m' },
  // With { redis: 'redis://127.0.0.1:6379' } one of all processes does this every five minutes, for what was requested most in all of them.
  warm: { targets: ['/countries', { hottest: 50 }], headers: { host }, every: '5m' }
})

let runs = 0
async function slowQuery () {
  runs++
  await new Promise((resolve) => { setTimeout(resolve, 50) }) // stands for a database
}

app.get('/countries', { config: { cache: true } }, async () => {
  await slowQuery()
  return ['AT', 'CH', 'DE', 'FR']
})

app.get<{ Params: { code: string } }>('/countries/:code', { config: { cache: { ttl: '1h', varyByHeaders: ['accept-language'] } } }, async (request) => {
  await slowQuery()
  return { code: request.params.code, language: request.headers['accept-language'] }
})

await app.ready()

// A list, or as here a function that gives one target after another: nobody has to hold all of them.
async function * pages () {
  for (const code of ['AT', 'CH', 'DE', 'FR']) {
    for (const language of ['de', 'fr']) yield { url: `/countries/${code}`, headers: { 'accept-language': language } }
  }
  yield { key: 'rates:eur', produce: async () => ({ usd: 1.1 }), ttl: '1h', tags: ['rates'] }
}

// Responses are stored by host: name the one that your users ask for.
const report = await app.cache.warm(pages, { headers: { host }, concurrency: 4 })
console.log(report) // { filled: 9, fresh: 0, failed: 0, failures: [] }

const before = runs
for (const url of ['/countries/FR', '/countries/AT']) {
  const { headers } = await app.inject({ url, headers: { host, 'accept-language': 'fr' } })
  console.log(url, headers['x-cache']) // HIT
}
console.log(`${runs - before} queries since`) // 0

// What is fresh is not run again.
console.log(await app.cache.warm(pages, { headers: { host }, onProgress: false })) // { filled: 0, fresh: 9, … }
await app.close()
