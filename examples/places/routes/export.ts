import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { countryParams, type CountryParams } from '../country.ts'
import type { Database } from '../database.ts'

const ROWS_PER_READ = 1000

/** All places of a country as CSV. */
export async function exportRoutes (app: FastifyInstance, { db }: { db: Database }): Promise<void> {
  app.get<{ Params: CountryParams }>('/countries/:country/places.csv', {
    config: {
      // A stream goes to the client as it comes; a copy is kept once it has ended well. The largest country comes close
      // to the default limit of 1 MB, so this route allows more: what is longer passes and is not stored. The copy is
      // compressed once: clients that accept brotli get it as it is kept.
      cache: { namespace: 'export', ttl: '1h', maxBytes: 4 * 1024 * 1024, compress: true }
    },
    schema: { params: countryParams }
  }, async (request, reply) => {
    const { country } = request.params
    const known = await db.first('select 1 from places where country = $1 limit 1', [country])
    if (known === undefined) throw app.httpErrors.notFound(`No places in ${country}.`)
    return reply
      .type('text/csv; charset=utf-8')
      .header('content-disposition', `attachment; filename="places-${country}.csv"`)
      .send(Readable.from(csvLines(db, country)))
  })
}

type Row = [id: number, name: string, area: string, feature: string, population: number, lat: number, lon: number]

// Reads page after page instead of holding a cursor: a slow client must not keep a transaction open.
async function * csvLines (db: Database, country: string): AsyncGenerator<string> {
  yield 'id,name,area,feature,population,lat,lon\n'
  let lastId = 0
  let rows: { row: Row }[]
  do {
    rows = await db.all<{ row: Row }>(PAGE, [country, lastId, ROWS_PER_READ])
    for (const { row } of rows) {
      lastId = row[0]
      yield row.map(csvValue).join(',') + '\n'
    }
  } while (rows.length === ROWS_PER_READ)
}

function csvValue (value: string | number): string {
  const text = String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

const PAGE = `
select json_build_array(id, name, area, feature, population, lat, lon) as row
from places where country = $1 and id > $2 order by id limit $3
`
