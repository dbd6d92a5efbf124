import { optionsFromEnv } from 'fastify-response-cache'
import { buildApp } from './app.ts'
import { openDatabase } from './database.ts'
import { loadPlaces } from './load-places.ts'
import { Progress } from './progress.ts'
import { beforeTour, change, curl, tour } from './tour.ts'

const host = process.env.HOST ?? '127.0.0.1'
const port = Number(process.env.PORT ?? 3000)
// Read first: a wrong variable should not be reported after the data has been loaded.
const cache = optionsFromEnv(process.env)

const startedAt = performance.now()
console.log('Starting PostgreSQL inside this process ...')
const db = await openDatabase()
const places = await loadPlaces(db, { onProgress: new Progress('Loading places').update })
// The maps of the start page are drawn before anybody asks, and again before their hour is over: with Redis by one process
// of all. Responses are stored by host, so it is the one that users ask for.
const warm = { targets: ['/countries/CH/map.png', '/countries/JP/map.png'], every: '30m', headers: { host: `127.0.0.1:${port}` } }
const app = await buildApp(db, { cache: { ...cache, warm }, logger: { level: process.env.LOG_LEVEL ?? 'info' } })
const address = await app.listen({ host, port }).catch((error: Error) => {
  console.error(`${error.message}. Another port: PORT=3001 npm start`)
  process.exit(1)
})

const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
const origin = `http://127.0.0.1:${new URL(address).port}`
console.log(`
${places.toLocaleString('en')} places after ${seconds} s on ${origin}
Responses are cached in ${cache.redis === undefined ? 'this process; REDIS_URL=redis://... takes Redis' : 'Redis'}.

Fill the lists of the users, if you like:

${beforeTour.map((stop) => curl(stop, origin)).join('\n')}

Then send each of these twice and look at X-Cache, Age and Cache-Status:

${tour.map((stop) => `# ${stop.title}: ${stop.expect}\n${curl(stop, origin)}`).join('\n')}

A write, and the list it changes is a MISS:

${[change.write, change.read].map((stop) => curl(stop, origin)).join('\n')}

Ctrl-C stops the server.`)

let stopping = false
async function stop (): Promise<void> {
  // A terminal sends the signal to npm and to this process, and npm passes it on: it may come twice.
  if (stopping) return
  stopping = true
  await app.close()
  await db.close()
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop)
