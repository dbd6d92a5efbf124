import type { FastifyInstance } from 'fastify'
import { countryCode } from '../country.ts'
import type { Database } from '../database.ts'

interface SearchQuery {
  q?: string
  country?: string
  minPopulation: number
  lat?: number
  lon?: number
  sort: keyof typeof ORDERS
  page: number
  limit: number
}

const ORDERS = {
  relevance: 'relevance desc',
  population: 'population desc',
  name: 'name',
  distance: '"distanceKm"'
}

const querystring = {
  type: 'object',
  additionalProperties: true,
  dependencies: { lat: ['lon'], lon: ['lat'] },
  properties: {
    q: { type: 'string', minLength: 2, maxLength: 100 },
    country: countryCode,
    minPopulation: { type: 'integer', minimum: 0, default: 0 },
    lat: { type: 'number', minimum: -90, maximum: 90 },
    lon: { type: 'number', minimum: -180, maximum: 180 },
    sort: { type: 'string', enum: Object.keys(ORDERS), default: 'relevance' },
    page: { type: 'integer', minimum: 1, maximum: 1000, default: 1 },
    limit: { type: 'integer', minimum: 1, maximum: 100, default: 20 }
  }
} as const

/** A ranked search with filters, sorting and pages. */
export async function searchRoutes (app: FastifyInstance, { db }: { db: Database }): Promise<void> {
  app.get<{ Querystring: SearchQuery }>('/places', {
    config: {
      cache: {
        namespace: 'search',
        // Long enough that popular searches are computed once, short enough that new places turn up soon.
        ttl: '5m',
        // When the database is busy, the result of before after half a second is better than a new one some time.
        // `staleIfError`, which allows that, is in the defaults of app.ts.
        softTimeout: '500ms',
        // Each search reads all places. A crawler that tries one word after another finds nothing stored: it gets 503 with
        // Retry-After before there are more of them at once than the database can do.
        maxConcurrentFills: 20,
        // These make the key, after the schema has filled in defaults: `?limit=20` and no limit at all are one entry.
        // Anything else (`utm_source`, a cache buster) is removed, so that links from a newsletter share the entry too.
        varyByQuery: ['q', 'country', 'minPopulation', 'lat', 'lon', 'sort', 'page', 'limit']
      }
    },
    schema: { querystring }
  }, async (request) => {
    const { q = null, country = null, minPopulation, lat = null, lon = null, sort, page, limit } = request.query
    if (sort === 'distance' && lat === null) throw app.httpErrors.badRequest('sort=distance needs lat and lon.')

    const found = await db.first<object>(search(sort), [q, country, minPopulation, lat, lon, limit, (page - 1) * limit])
    return { query: request.query, ...found }
  })
}

// Relevance: an exact name first, then a beginning, then a part, and the larger place first among equals.
function search (sort: SearchQuery['sort']): string {
  return `
with matches as (
  select id, name, country, area, population, lat, lon,
    case when $4::float8 is not null then round(distance_km($4, $5, lat, lon)::numeric, 1)::float8 end as "distanceKm",
    round(10 * case
      when $1::text is null then 0
      when lower(name) = lower($1) then 3
      when starts_with(lower(name), lower($1)) then 2
      else 1
    end + ln(population + 1)::numeric, 2)::float8 as relevance
  from settlements
  where ($1::text is null or position(lower($1) in lower(name)) > 0)
    and ($2::text is null or country = $2)
    and population >= $3
), ranked as (
  select *, rank() over (partition by country order by population desc)::int as "rankInCountry" from matches
)
select (select count(*) from ranked)::int as total, coalesce((
  select json_agg(page) from (select * from ranked order by ${ORDERS[sort]}, id limit $6 offset $7) page
), '[]') as places`
}
