import type { FastifyInstance } from 'fastify'
import { drawHeatMap, type Cell } from '../chart.ts'
import { countryParams, type CountryParams } from '../country.ts'
import type { Database } from '../database.ts'

interface Bounds {
  west: number | null
  east: number
  south: number
  north: number
}

const KM_PER_DEGREE = 111.2

/** A population heat map of a country. */
export async function mapRoutes (app: FastifyInstance, { db }: { db: Database }): Promise<void> {
  app.get<{ Params: CountryParams, Querystring: { width: number } }>('/countries/:country/map.png', {
    config: {
      // Binary bodies are stored and sent as they are. There is no `shared` here: visitors share the image, and a
      // request with a token goes to the handler (X-Cache: BYPASS), which is what happens as long as a route says nothing.
      // A map of an hour ago is as good as a new one, so nobody waits for the drawing once there is one.
      cache: { namespace: 'map', ttl: '1h', staleWhileRevalidate: '1d' }
    },
    schema: {
      params: countryParams,
      querystring: {
        type: 'object',
        properties: { width: { type: 'integer', enum: [240, 480, 960], default: 480 } }
      }
    }
  }, async (request, reply) => {
    const { country } = request.params
    const bounds = await db.first<Bounds>(BOUNDS, [country])
    if (bounds === undefined || bounds.west === null) throw app.httpErrors.notFound(`No places in ${country}.`)

    const { west, east, south, north } = bounds
    const { width } = request.query
    const height = heightFor(width, { west, east, south, north })
    const cells = await db.all<Cell>(CELLS, [country, west, east, south, north, width, height])
    return reply.type('image/png').send(await drawHeatMap(cells, width, height))
  })
}

// A degree of longitude gets shorter towards the poles.
function heightFor (width: number, { west, east, south, north }: { west: number, east: number, south: number, north: number }): number {
  const widthKm = (east - west) * KM_PER_DEGREE * Math.cos((south + north) / 2 * Math.PI / 180)
  const heightKm = (north - south) * KM_PER_DEGREE
  return Math.round(Math.min(Math.max(width * heightKm / widthKm, width / 4), width * 2))
}

// Without the outermost places, so that a remote island does not make the country small; with a margin.
const BOUNDS = `
select w - margin as west, e + margin as east, s - margin as south, n + margin as north
from (
  select percentile_cont(0.002) within group (order by lon) as w, percentile_cont(0.998) within group (order by lon) as e,
    percentile_cont(0.002) within group (order by lat) as s, percentile_cont(0.998) within group (order by lat) as n
  from settlements where country = $1
) box, lateral (select 0.05 + greatest(e - w, n - s) * 0.03 as margin) m
`

const CELLS = `
select width_bucket(lon, $2, $3, $6::int) - 1 as x, $7::int - width_bucket(lat, $4, $5, $7::int) as y,
  sum(population)::float8 as population
from settlements
where country = $1 and population > 0 and lon >= $2 and lon < $3 and lat >= $4 and lat < $5
group by x, y
`
