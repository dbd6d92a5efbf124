import type { Run } from '../fills/run.ts'
import type { Logger } from '../logger.ts'
import type { RouteCounters } from '../stats/route-counters.ts'
import type { LookupResult, Miss, Stale } from '../response-cache.ts'
import type { Asking, Collapsing, StartBehind } from './collapsing.ts'
import type { Sharing } from './sharing.ts'
import { repeatable, type Purpose, type Repeatable, type Repeater } from './repeat.ts'
import type { Turn } from './turn.ts'

export interface BackgroundParts {
  readonly route: string
  readonly collapsing: Collapsing
  readonly repeater: Repeater
  readonly shared: Sharing
  readonly counters: RouteCounters
  readonly logger: Logger
}

/**
 * Runs that no client waits for: the request that found a response stale is sent to the app once more, with all its hooks, guards
 * among them, so that a response is only ever made by a request that may have it.
 */
export class Background {
  readonly #parts: BackgroundParts

  constructor (parts: BackgroundParts) {
    this.#parts = parts
  }

  /** What begins such a run for this request. */
  behind ({ request, admitted, askedAt }: Turn, found: LookupResult): StartBehind {
    return (fill) => {
      const { collapsing, shared } = this.#parts
      const repeated = repeatable(request, request.originalUrl)
      if (repeated === undefined) return false
      const ask: Asking = { admitted, askedAt, headers: { ...request.headers }, isHead: false, isGone: () => false }
      const result = forAnew(found)
      const running = collapsing.leadBehind(fill, ask, result).then(async (run) => {
        if (run !== undefined) await this.#send(repeated, { run, key: admitted.key.text, digest: repeated.digest, result })
      })
      shared.behind.add(running)
      void running.finally(() => { shared.behind.delete(running) })
      return true
    }
  }

  async #send (repeated: Repeatable, purpose: Extract<Purpose, { run: Run }>): Promise<void> {
    const { counters, logger, repeater, route, shared: { closed, ended } } = this.#parts
    const { run } = purpose
    let fault: unknown
    let status: number | undefined
    counters.refreshes++
    try {
      status = await repeater.send(repeated, purpose, ended)
      // A guard has answered this client: the run has not begun, and never will. For others it may.
      if (run.take()) run.settle({ how: 'failed', isExcused: true })
    } catch (thrown) {
      fault = thrown
      run.settle({ how: 'failed' })
    }
    const { how } = await run.ended
    if (how === 'stored' || closed.aborted) return
    counters.refreshErrors++
    logger.warn({ err: fault, cache: { route, outcome: 'refresh', reason: how, status } }, 'a request that was repeated in the background brought nothing to store')
  }
}

/** What is there, as something to be made anew. */
export function forAnew (found: LookupResult): Stale | Miss {
  return found.outcome === 'hit' ? { ...found, outcome: 'stale', use: 'while-revalidate' } : found
}
