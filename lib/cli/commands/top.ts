import { Option } from 'commander'
import { hitRateOf, percentileOf, type RouteStats } from '../../stats/counts.ts'
import type { FleetTime } from '../../stats/fleet-stats.ts'
import { wholeNumber } from '../arguments.ts'
import { withSource, type Context, type Declare } from '../context.ts'
import { right } from '../output.ts'
import { bytes, count, duration, percent } from '../units.ts'
import { requestsOf } from '../views/stats-view.ts'
import { lastOption } from './stats.ts'

/** What routes are ordered by. Undefined: it cannot be said of this one, which is last then. */
const ORDERS = {
  requests: requestsOf,
  'hit-rate': hitRateOf,
  'time-saved': ({ savedMs }: RouteStats) => savedMs
} as const satisfies Record<string, (route: RouteStats) => number | undefined>

interface TopOptions {
  readonly by: keyof typeof ORDERS
  readonly bottom?: boolean
  readonly last: FleetTime
  readonly limit: number
}

export const declareTop: Declare = (program, perform) => {
  program.command('top')
    .description('the routes with the most, or the fewest, of something')
    .addOption(new Option('--by <what>', 'order').choices(Object.keys(ORDERS)).default('requests'))
    .option('--bottom', 'the lowest first')
    .addOption(lastOption())
    .addOption(new Option('--limit <number>', 'routes at most').argParser(wholeNumber(1, 10_000)).default(20))
    .action(async (options: TopOptions, command) => { await perform(command, async (context) => { await top(context, options) }) })
}

async function top (context: Context, { by, bottom = false, last, limit }: TopOptions): Promise<void> {
  const { output } = context
  await withSource(context, async (source) => {
    const { routes } = await source.fleet(last)
    const shown = ordered(routes, ORDERS[by], bottom).slice(0, limit).map((stats) => ({ ...stats, requests: requestsOf(stats), hitRate: hitRateOf(stats) }))
    output.result({ source: source.name, last, by, routes: shown }, () => {
      if (shown.length === 0) return output.line('No cached route has been requested in that time.')
      output.table(['route', 'namespace', ...['requests', 'hit rate', 'time saved', 'served', 'cached p95', 'uncached p95'].map(right)], shown.map((stats) => [
        stats.route, stats.namespace, count(stats.requests), percent(stats.hitRate), duration(stats.savedMs), bytes(stats.servedBytes),
        duration(percentileOf(stats.cached, 0.95)), duration(percentileOf(stats.uncached, 0.95))
      ]))
      if (routes.length > shown.length) output.note(`${count(routes.length - shown.length)} more: --limit`)
    })
  })
}

function ordered (routes: readonly RouteStats[], valueOf: (route: RouteStats) => number | undefined, isUp: boolean): RouteStats[] {
  return routes.toSorted((a, b) => {
    const [one, other] = [valueOf(a), valueOf(b)]
    if (one === undefined || other === undefined) return Number(one === undefined) - Number(other === undefined)
    return (isUp ? one - other : other - one) || requestsOf(b) - requestsOf(a) || (a.route < b.route ? -1 : 1)
  })
}
