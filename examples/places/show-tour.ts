import { randomUUID } from 'node:crypto'
import { optionsFromEnv } from 'fastify-response-cache'
import { buildApp } from './app.ts'
import { openDatabase } from './database.ts'
import { loadPlaces } from './load-places.ts'
import { measure, readAfterWrite, send, type Answer, type Measurement } from './measure.ts'
import { Progress } from './progress.ts'
import { printTable } from './table.ts'
import { beforeTour, change, tour } from './tour.ts'

// A prefix of its own: what an earlier run has left in Redis, until its ttl is over, must not turn a miss into a hit.
const cache = { ...optionsFromEnv(process.env), prefix: `demo-${randomUUID()}` }

const db = await openDatabase()
await loadPlaces(db, { onProgress: new Progress('Loading places').update })
const app = await buildApp(db, { cache: { timeouts: { read: '1s' }, ...cache }, logger: { level: 'warn' } })
const origin = await app.listen({ host: '127.0.0.1', port: 0 })

async function run () {
  const measurements: Measurement[] = []
  for (const stop of beforeTour) await send(stop, origin)
  for (const stop of tour) measurements.push(await measure(stop, origin))
  return { measurements, changed: await readAfterWrite(change, origin) }
}

const { measurements, changed } = await run().finally(async () => {
  await app.close()
  await db.close()
})

printTable(['endpoint', 'situation', 'X-Cache', 'MISS ms', 'HIT ms', 'factor'], measurements.map(row))
console.log(`
Cached in ${cache.redis === undefined ? 'memory' : 'Redis'}. MISS is one request, HIT the median of the ones after it, as a client on the same
machine sees them; with BYPASS the handler runs every time. The database is in the process, not across a network.

After ${change.write.method} ${change.write.path}, GET ${change.read.path} went from a ${seen(changed.before)} to a ${seen(changed.after)}.`)

const faults = [...measurements, changed].flatMap((shown) => shown.faults)
for (const fault of faults) console.error(`FAULT ${fault}`)
if (faults.length > 0) process.exitCode = 1

/** What a read of a list showed. */
function seen ({ state, body }: Answer): string {
  const { places } = JSON.parse(body.toString()) as { places: Array<{ name: string }> }
  return `${state} with ${places.map(({ name }) => name).join(', ')}`
}

function row ({ stop, states, firstMs, laterMs }: Measurement): string[] {
  const path = stop.path.length > 34 ? `${stop.path.slice(0, 33)}…` : stop.path
  const hit = states.at(-1) === 'HIT'
  return [
    `${stop.method ?? 'GET'} ${path}`, stop.title, states.join(', '),
    firstMs.toFixed(1), hit ? laterMs.toFixed(2) : '-', hit ? `${Math.round(firstMs / laterMs)}x` : '-'
  ]
}
