import type { FastifyInstance } from 'fastify'
import { countryCode, countryName, type CountryParams } from '../country.ts'
import type { Database } from '../database.ts'

interface HistoryParams extends CountryParams {
  year: number
}

const YEAR_MS = 365.25 * 86_400_000

/** The population of a country in a year, as a model computes it back from the figures of today. */
export async function historyRoutes (app: FastifyInstance, { db }: { db: Database }): Promise<void> {
  app.get<{ Params: HistoryParams, Querystring: { growth: number } }>('/countries/:country/history/:year', {
    config: {
      // The current year still moves: a minute. What is over is counted back from the start of the current year, which is
      // another one at some midnight: until then it does not change.
      cache: {
        namespace: 'history',
        ttl: (request) => Number(request.params.year) < currentYear() ? { until: 'midnight', timeZone: 'UTC' } : '1m'
      }
    },
    schema: {
      params: {
        type: 'object',
        required: ['country', 'year'],
        properties: { country: countryCode, year: { type: 'integer', minimum: 1950, maximum: 9999 } }
      },
      querystring: {
        type: 'object',
        properties: { growth: { type: 'number', minimum: -10, maximum: 10, default: 1 } }
      }
    }
  }, async (request) => {
    const { country, year } = request.params
    const { growth } = request.query
    if (year > currentYear()) throw app.httpErrors.badRequest('Expected a year that has begun.')

    const asOf = year < currentYear() ? new Date(Date.UTC(year + 1, 0, 1)) : new Date()
    const yearsAgo = (Date.UTC(currentYear(), 0, 1) - asOf.getTime()) / YEAR_MS
    const sizes = await db.all(SIZES, [country, (1 + growth / 100) ** -yearsAgo])
    if (sizes.length === 0) throw app.httpErrors.notFound(`No places in ${country}.`)
    return { country, name: countryName(country), year, asOf, modelled: true, method: method(growth), sizes }
  })
}

function currentYear (): number {
  return new Date().getUTCFullYear()
}

function method (growth: number): string {
  return 'A model, not a census: the data has one population per place and no dates. It is taken as the figure for the ' +
    `start of this year and moved by ${growth} % a year, the same everywhere.`
}

// How many places of each size there were, and the share of people who lived in them or in larger ones.
const SIZES = `
with past as (
  select round(population * $2::float8) as population from settlements where country = $1 and population > 0
), classed as (
  select population, case
    when population >= 1000000 then 1000000 when population >= 100000 then 100000
    when population >= 10000 then 10000 when population >= 1000 then 1000 else 0 end as at_least
  from past
)
select at_least as "atLeast", count(*)::int as places, sum(population)::float8 as population,
  percentile_cont(0.5) within group (order by population) as median,
  round((100 * sum(sum(population)) over (order by at_least desc) / nullif(sum(sum(population)) over (), 0))::numeric, 1)::float8
    as "percentHereOrLarger"
from classed group by at_least order by at_least desc
`
