import type { FastifyInstance } from 'fastify'
import { countryCode } from '../country.ts'
import type { Database } from '../database.ts'

interface Site {
  country: string
  lat: number
  lon: number
  reachKm: number
}

interface Value {
  peopleReached: number
  placesReached: number
  rankAmongLargestPlaces: number | null
}

const body = {
  type: 'object',
  required: ['country', 'lat', 'lon'],
  additionalProperties: false,
  properties: {
    country: countryCode,
    lat: { type: 'number', minimum: -90, maximum: 90 },
    lon: { type: 'number', minimum: -180, maximum: 180 },
    reachKm: { type: 'number', minimum: 1, maximum: 200, default: 30 }
  }
} as const

/** What a site is worth to a shop: how many people it reaches, compared with the largest places of the country. */
export async function valuationRoutes (app: FastifyInstance, { db }: { db: Database }): Promise<void> {
  app.post<{ Body: Site }>('/valuations', {
    config: {
      // A POST because the question has a body, not because it changes anything: then it may be cached, and the body,
      // as the schema leaves it, is the key. Five minutes cover a user who goes back and forth between sites.
      cache: { namespace: 'valuation', ttl: '5m', varyByBody: true }
    },
    schema: { body }
  }, async (request) => {
    const { country, lat, lon, reachKm } = request.body
    const value = await db.first<Value>(VALUATION, [country, lat, lon, reachKm])
    if (value === undefined) throw app.httpErrors.notFound(`No places in ${country}.`)
    return { site: request.body, ...value }
  })
}

// A gravity model: a person at distance d counts exp(-d / reach). The site competes with the 25 largest places.
const VALUATION = `
with sites as (
  select 0 as id, $2::float8 as lat, $3::float8 as lon
  union all
  (select id, lat, lon from settlements where country = $1 order by population desc limit 25)
), reached as (
  select sites.id, place.population, distance_km(sites.lat, sites.lon, place.lat, place.lon) as distance
  from sites join settlements place on place.country = $1
), valued as (
  select id, sum(population * exp(-distance / $4)) as value, count(*) filter (where distance <= $4)::int as places
  from reached group by id
)
select round(value)::float8 as "peopleReached", places as "placesReached",
  (select count(*) + 1 from valued other where other.id <> 0 and other.value > valued.value)::int as "rankAmongLargestPlaces"
from valued where id = 0
`
