import type { FastifyInstance } from 'fastify'
import { requireUser, userOf } from '../auth.ts'
import type { Database } from '../database.ts'
import { findPlace, placeParams, type PlaceParams } from '../place.ts'

/** A conversation about the surroundings of a place. */
export async function messagesRoutes (app: FastifyInstance, { db }: { db: Database }): Promise<void> {
  app.addHook('onRequest', requireUser)

  app.get<{ Params: PlaceParams }>('/places/:id/messages', {
    config: {
      // Open windows ask every second or so. Three seconds take most of that load, and nobody notices them in a
      // conversation. Per user, because every message says whether it is one's own. Whoever writes at this place does
      // not wait for them: a POST to the same URL invalidates it, for all users, without a word here.
      cache: { namespace: 'messages', ttl: '3s', varyByUser: true }
    },
    schema: { params: placeParams }
  }, async (request) => {
    const place = await findPlace(db, request.params.id)
    if (place === undefined) throw app.httpErrors.notFound(`No place ${request.params.id}.`)
    return { place: place.name, ...await db.first<object>(CONVERSATION, [place.lat, place.lon, userOf(request).id]) }
  })

  app.post<{ Params: PlaceParams, Body: { text: string } }>('/places/:id/messages', {
    schema: {
      params: placeParams,
      body: {
        type: 'object',
        required: ['text'],
        additionalProperties: false,
        properties: { text: { type: 'string', minLength: 1, maxLength: 500 } }
      }
    }
  }, async (request, reply) => {
    const place = await findPlace(db, request.params.id)
    if (place === undefined) throw app.httpErrors.notFound(`No place ${request.params.id}.`)
    const message = await db.first(WRITE, [place.id, userOf(request).id, request.body.text])
    return reply.code(201).send(message)
  })
}

// The conversation takes in all places within 50 km, so all places have to be measured.
const CONVERSATION = `
with around as (
  select id, name, feature, population from places where distance_km($1, $2, lat, lon) <= 50
)
select count(*)::int as "placesWithin50Km", sum(population)::float8 as "peopleWithin50Km",
  coalesce((
    select json_agg(latest order by latest."writtenAt") from (
      select m.id, around.name as place, author, author = $3 as mine, text, written_at as "writtenAt"
      from messages m join around on around.id = place_id
      order by written_at desc limit 50
    ) latest
  ), '[]') as messages
from around where feature <> 'PPLX'
`

const WRITE = `
insert into messages (place_id, author, text) values ($1, $2, $3)
returning id, place_id as "placeId", author, text, written_at as "writtenAt"
`
