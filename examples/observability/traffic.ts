import { setTimeout as sleep } from 'node:timers/promises'

export interface TrafficOptions {
  /** Ends it. */
  signal: AbortSignal
  /** Between one group of requests and the next. Default: 100. */
  pauseMs?: number
}

/** Visits the shop until it is told to stop: mostly popular products, sometimes a change, and some of what the cache has to leave alone. */
export async function visitShop (origin: string, { signal, pauseMs = 100 }: TrafficOptions): Promise<void> {
  for (let group = 0; !signal.aborted; group++) {
    await Promise.all(requestsOf(group).map(async ({ path, ...init }) => await ask(new URL(path, origin), init)))
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined) // told to stop
  }
}

interface Visit extends Pick<RequestInit, 'method' | 'headers'> {
  path: string
}

function requestsOf (group: number): Visit[] {
  const popular = (most: number): number => Math.floor(most * Math.random() ** 3)
  return [
    ...Array.from({ length: 8 }, () => ({ path: `/products/${popular(500)}` })),
    ...['shoes', 'hats', 'shoes'].map((q) => ({ path: `/search?q=${q}&page=${group}` })),
    { path: '/offers' },
    { path: '/welcome' },
    ...group % 5 === 0 ? [{ path: '/offers', headers: { authorization: 'Bearer of-somebody' } }] : [],
    ...group % 5 === 1 ? [{ path: `/products/${popular(500)}?price=${group}`, method: 'PUT' }] : [],
    ...group % 5 === 2 ? [{ path: `/products/new-${group}`, headers: { 'cache-control': 'only-if-cached' } }] : []
  ]
}

/** What goes wrong is for the metrics to tell: the shop may not be there yet, or no longer. */
async function ask (url: URL, init: RequestInit): Promise<void> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(10_000) }).catch(() => undefined)
  await response?.arrayBuffer().catch(() => undefined)
}
