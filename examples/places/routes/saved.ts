import type { FastifyInstance } from 'fastify'
import { requireUser, userOf, type User } from '../auth.ts'
import type { Database } from '../database.ts'
import { findPlace, placeParams, type PlaceParams } from '../place.ts'

/** The places a user has saved. */
export async function savedRoutes (app: FastifyInstance, { db }: { db: Database }): Promise<void> {
  app.addHook('onRequest', requireUser)

  app.get('/me/saved', {
    config: {
      // Everyone has a list of their own at the same URL, so the user is part of the key.
      // The tag is what the routes below invalidate: a user who has changed the list sees the new one at once, so it
      // may be kept for long.
      cache: { namespace: 'saved', ttl: '1h', varyByUser: true, tags: (request) => [listOf(request.user)] }
    }
  }, async (request) => {
    return { user: userOf(request).id, places: await db.all(SAVED, [userOf(request).id]) }
  })

  app.put<{ Params: PlaceParams }>('/me/saved/:id', {
    config: { cache: { invalidates: (request) => ({ tags: [listOf(request.user)] }) } },
    schema: { params: placeParams }
  }, async (request, reply) => {
    const place = await findPlace(db, request.params.id)
    if (place === undefined) throw app.httpErrors.notFound(`No place ${request.params.id}.`)
    await db.all(SAVE, [userOf(request).id, place.id])
    return reply.code(204).send()
  })

  app.delete<{ Params: PlaceParams }>('/me/saved/:id', {
    config: { cache: { invalidates: (request) => ({ tags: [listOf(request.user)] }) } },
    schema: { params: placeParams }
  }, async (request, reply) => {
    await db.all('delete from saved_places where user_id = $1 and place_id = $2', [userOf(request).id, request.params.id])
    return reply.code(204).send()
  })
}

/** The tag of someone's list. */
function listOf (user: User): string {
  return `saved:${user.id}`
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
