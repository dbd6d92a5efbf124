import type { FastifyInstance } from 'fastify'
import { requireUser, userOf } from '../auth.ts'
import type { Database } from '../database.ts'
import { findPlace, placeParams, type PlaceParams } from '../place.ts'

/** The places a user has saved. */
export async function savedRoutes (app: FastifyInstance, { db }: { db: Database }): Promise<void> {
  app.addHook('onRequest', requireUser)

  app.get('/me/saved', {
    config: {
      // Everyone has a list of their own at the same URL, so the user is part of the key.
      // The ttl is the longest time a user may still see the old list after changing it: nothing removes the stored
      // response when the routes below write. Ten seconds take the load of a page that is opened again and again.
      cache: { namespace: 'saved', ttl: '10s', varyByUser: true }
    }
  }, async (request) => {
    return { user: userOf(request).id, places: await db.all(SAVED, [userOf(request).id]) }
  })

  app.put<{ Params: PlaceParams }>('/me/saved/:id', { schema: { params: placeParams } }, async (request, reply) => {
    const place = await findPlace(db, request.params.id)
    if (place === undefined) throw app.httpErrors.notFound(`No place ${request.params.id}.`)
    await db.all(SAVE, [userOf(request).id, place.id])
    return reply.code(204).send()
  })

  app.delete<{ Params: PlaceParams }>('/me/saved/:id', { schema: { params: placeParams } }, async (request, reply) => {
    await db.all('delete from saved_places where user_id = $1 and place_id = $2', [userOf(request).id, request.params.id])
    return reply.code(204).send()
  })
}

// How many people live around each saved place is computed from all places.
const SAVED = `
select place.id, place.name, place.country, place.population, saved_at as "savedAt", around.people as "peopleWithin50Km"
from saved_places join places place on place.id = place_id
cross join lateral (
  select sum(near.population)::float8 as people from settlements near
  where distance_km(place.lat, place.lon, near.lat, near.lon) <= 50
) around
where user_id = $1 order by saved_at, place.id
`

const SAVE = 'insert into saved_places (user_id, place_id) values ($1, $2) on conflict do nothing'
