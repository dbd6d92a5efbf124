import type { FastifyInstance } from 'fastify'
import type { Database } from '../database.ts'
import { findPlace, placeParams, type PlaceParams } from '../place.ts'

/** One place, with its rank and its surroundings. */
export async function placeRoutes (app: FastifyInstance, { db }: { db: Database }): Promise<void> {
  app.get<{ Params: PlaceParams }>('/places/:id', {
    config: {
      // A place practically never changes. Nothing in the answer depends on who asks, so users who are signed in, whose
      // app sends a token with every request, share it with visitors who are not. That there is no such place is kept as
      // well, but not for long: it may be added.
      cache: { namespace: 'place', ttl: { 200: '24h', 404: '1m' }, shared: true }
    },
    schema: { params: placeParams }
  }, async (request) => {
    const place = await findPlace(db, request.params.id)
    if (place === undefined) throw app.httpErrors.notFound(`No place ${request.params.id}.`)

    const ranks = await db.first<object>(RANKS, [place.country, place.population])
    const nearest = await db.all(NEAREST, [place.id, place.lat, place.lon])
    return { ...place, ...ranks, nearest }
  })
}

const RANKS = `
select (count(*) + 1)::int as "rankInWorld", (count(*) filter (where country = $1) + 1)::int as "rankInCountry"
from settlements where population > $2
`

const NEAREST = `
select id, name, population, round(distance_km($2, $3, lat, lon)::numeric, 1)::float8 as "distanceKm"
from settlements where id <> $1 order by distance_km($2, $3, lat, lon) limit 10
`
