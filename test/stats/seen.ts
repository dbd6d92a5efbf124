import type { ResponseMessage } from 'fastify-response-cache'
import type { RouteStats } from '../../lib/stats/counts.ts'

/** How often, by route, outcome and reason: `GET /a/:id hit`, `GET /a/:id bypass credentials`. */
export type Tally = Map<string, number>

export function add (tally: Tally, route: string, what: string): void {
  const name = `${route} ${what}`
  tally.set(name, (tally.get(name) ?? 0) + 1)
}

const REFUSALS = ['overloaded', 'hard-timeout', 'only-if-cached']

/** What a client reads from its response; undefined where the cache says nothing. */
export function readOutcome (xCache: string | undefined, status = ''): string | undefined {
  const [, forwarded] = /; fwd=([\w-]+)/.exec(status) ?? []
  const [, detail] = /; detail=([\w-]+)/.exec(status) ?? []
  switch (xCache) {
    case 'HIT': return status.includes('; collapsed') ? 'hit collapsed' : 'hit'
    case 'STALE': return `stale ${detail}`
    case 'BYPASS': return `bypass ${detail ?? forwarded}`
    case 'REVALIDATED': return 'miss stale'
    case 'MISS': return forwarded === undefined && REFUSALS.includes(detail ?? '') ? `refused ${detail}` : `miss ${detail === 'store-error' ? detail : forwarded}`
    default: return undefined
  }
}

/** What the channel says of a request. */
export function toldOutcome ({ outcome, reason }: ResponseMessage): string {
  if (outcome === 'hit') return reason === undefined ? 'hit' : 'hit collapsed'
  return `${outcome === 'revalidated' ? 'miss' : outcome} ${reason}`
}

/** The same of what was counted. */
export function tallyOf (routes: readonly RouteStats[]): Tally {
  const tally: Tally = new Map()
  for (const { route, hits, collapsed, staleReasons, missReasons, bypassReasons, refusalReasons } of routes) {
    tally.set(`${route} hit`, hits - collapsed).set(`${route} hit collapsed`, collapsed)
    for (const [outcome, reasons] of Object.entries({ stale: staleReasons, miss: missReasons, bypass: bypassReasons, refused: refusalReasons })) {
      for (const [reason, count] of Object.entries(reasons)) tally.set(`${route} ${outcome} ${reason}`, count)
    }
  }
  for (const [name, count] of tally) if (count === 0) tally.delete(name)
  return tally
}

/** What is in both, in one order. */
export function sorted (tally: Tally): Array<[string, number]> {
  return [...tally].toSorted(([a], [b]) => a < b ? -1 : 1)
}
