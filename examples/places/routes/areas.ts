import type { FastifyInstance } from 'fastify'
import { requireUser } from '../auth.ts'
import { countryName, countryParams, type CountryParams } from '../country.ts'
import type { Database } from '../database.ts'

/** The administrative areas of a country, for users who are signed in. */
export async function areasRoutes (app: FastifyInstance, { db }: { db: Database }): Promise<void> {
  app.get<{ Params: CountryParams }>('/countries/:country/areas', {
    config: {
      // Behind a login, but the same for everyone who is let in: `shared` says so, because a response to a request with
      // an Authorization header is not cached otherwise. The guard below runs before every hit all the same.
      // Areas change a few times a year, so an hour is short. When it is over, who asks first still gets the old answer at
      // once, and the new one is computed behind it: nobody waits. The day is for countries that few ask for.
      cache: { namespace: 'areas', ttl: '1h', shared: true, staleWhileRevalidate: '1d' }
    },
    onRequest: requireUser,
    schema: { params: countryParams }
  }, async (request) => {
    const { country } = request.params
    const areas = await db.all(AREAS, [country])
    if (areas.length === 0) throw app.httpErrors.notFound(`No places in ${country}.`)
    return { country, name: countryName(country), areas }
  })
}

// The data has codes for areas, not names: an area is shown with its seat and its largest place.
const AREAS = `
with area_totals as (
  select area, count(*)::int as places, sum(population)::float8 as population,
    percentile_cont(0.5) within group (order by population) filter (where population > 0) as median_population,
    min(name) filter (where feature in ('PPLA', 'PPLC')) as seat
  from settlements where country = $1 group by area
), largest as (
  select distinct on (area) area, id, name, population from settlements where country = $1 order by area, population desc
)
select area, seat, places, totals.population, median_population as "medianPopulation",
  rank() over (order by totals.population desc)::int as rank,
  round((100 * totals.population / nullif(sum(totals.population) over (), 0))::numeric, 2)::float8 as "percentOfCountry",
  json_build_object('id', largest.id, 'name', largest.name, 'population', largest.population) as "largestPlace"
from area_totals totals join largest using (area)
order by totals.population desc, area
`
