import type { FastifyInstance } from 'fastify'
import { requireUser } from '../auth.ts'
import type { Database } from '../database.ts'

/** What is wrong with the data, and how much the app is used. */
export async function reportRoutes (app: FastifyInstance, { db }: { db: Database }): Promise<void> {
  app.get('/reports/quality', {
    config: {
      cache: {
        namespace: 'report',
        ttl: '15m',
        // A slow query that is looked at all day: it is made anew shortly before the quarter of an hour is over, so that
        // nobody waits for it and nobody gets an old one. After a night, when nobody has looked, the first one waits.
        refreshAhead: true,
        // The same for all who are signed in.
        shared: true,
        // Admins act on the report, so they get the state of this moment: their requests neither read nor fill the cache.
        skip: (request) => request.user?.role === 'admin'
      }
    },
    onRequest: requireUser
  }, async () => {
    const usage = await db.first<object>(USAGE)
    const totals = await db.first<object>(TOTALS)
    return { generatedAt: new Date().toISOString(), ...usage, ...totals, likelyDuplicates: await db.all(DUPLICATES) }
  })
}

const USAGE = `
select (select count(*) from saved_places)::int as "savedPlaces", (select count(*) from messages)::int as messages
`

const TOTALS = `
select count(*)::int as places, count(distinct country)::int as countries,
  count(*) filter (where population = 0)::int as "withoutPopulation",
  count(*) filter (where area = '')::int as "withoutArea"
from places
`

// The same name twice in one area, less than ten kilometres apart.
const DUPLICATES = `
select a.country, count(*)::int as pairs, (array_agg(distinct a.name order by a.name))[1:5] as examples
from places a join places b
  on a.country = b.country and a.area = b.area and a.name = b.name and a.id < b.id
  and distance_km(a.lat, a.lon, b.lat, b.lon) < 10
group by a.country order by pairs desc, a.country
`
