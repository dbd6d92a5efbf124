import type { FastifyReply, FastifyRequest } from 'fastify'
import { nextLifetime, type AdaptiveState } from '../adaptive-ttl.ts'
import { digest } from '../cache-key.ts'
import type { StatsBook } from '../stats/stats-book.ts'
import { staleWindows, type StaleWindows } from '../http/freshness.ts'
import { freshnessLifetimeMs, initialAgeMs, saysAny } from '../http/lifetime.ts'
import type { ResponseHeaders } from '../http/response-fields.ts'
import { variesMatch } from '../http/vary.ts'
import { asCacheRequest } from '../options/cache-request.ts'
import type { RoutePolicy } from '../options/policy.ts'
import { jittered, plannedMs, type Planned } from '../options/ttl.ts'
import type { ResponseCache } from '../response-cache.ts'
import type { ExchangeState } from './exchange.ts'

type Miss = Extract<ExchangeState, { outcome: 'miss' }>

/** What is known before the body: how long it is to be fresh, and how old it is already. */
export interface PlannedLifetime {
  readonly planned: Planned
  /** The response itself said so: nothing is taken off it. */
  readonly isExact: boolean
  readonly ageMs: number
  /** The handler can say later whether it has changed. */
  readonly isValidatable: boolean
}

export interface ResponseLifetime extends StaleWindows {
  readonly ttlMs: number
  /** How long it is of any use. */
  readonly keepMs: number
  readonly adaptive?: AdaptiveState
}

/** How long the responses of one route are fresh, and how long they are kept. */
export class Lifetimes {
  readonly #policy: RoutePolicy
  readonly #cache: ResponseCache
  readonly #targetedFields: readonly string[]
  readonly #random: () => number
  readonly #book: StatsBook

  constructor ({ policy, cache, targetedFields, random, book }: {
    policy: RoutePolicy
    cache: ResponseCache
    targetedFields: readonly string[]
    random: () => number
    book: StatsBook
  }) {
    this.#policy = policy
    this.#cache = cache
    this.#targetedFields = targetedFields
    this.#random = random
    this.#book = book
  }

  /** Whether the handler sent validators of its own, which it can be asked about. */
  isValidatable (headers: ResponseHeaders): boolean {
    return this.#policy.revalidateMs > 0 && (headers.etag !== undefined || headers['last-modified'] !== undefined)
  }

  /** `undefined`: there is no time in which it would be of use. */
  plan (request: FastifyRequest, reply: FastifyReply, { exchange: { run }, headers }: { exchange: Miss, headers: ResponseHeaders }): PlannedLifetime | undefined {
    const { now } = this.#cache
    const isValidatable = this.isValidatable(headers)
    // What came from elsewhere has an age; what was made here has none.
    const ageMs = headers.age === undefined && headers.date === undefined ? 0 : initialAgeMs(headers, { now, delayMs: run.costMs })
    const said = this.#policy.plan(asCacheRequest(request), reply, now - run.costMs)
    if (said.kind !== 'http') return plannedMs(said, now) < 1 ? undefined : { planned: said, isExact: false, ageMs, isValidatable }
    const lifetimeMs = saysAny(headers, this.#targetedFields, ['no-cache']) ? 0 : freshnessLifetimeMs(headers, { targetedFields: this.#targetedFields, status: reply.statusCode, heuristicMaxMs: said.heuristicMaxMs, now })
    const freshMs = lifetimeMs === undefined ? undefined : Math.max(0, Math.floor(lifetimeMs - ageMs))
    if (freshMs === undefined || (freshMs < 1 && !isValidatable)) return undefined
    return { planned: { kind: 'for', ms: freshMs }, isExact: true, ageMs: Math.min(ageMs, LONGEST_AGE_MS), isValidatable }
  }

  /** What is left of it now: the body may have taken its time. */
  settle ({ planned, isExact, isValidatable }: PlannedLifetime, { request, exchange, headers, body }: { request: FastifyRequest, exchange: Miss, headers: ResponseHeaders, body: Buffer }): ResponseLifetime {
    const { adaptive, revalidateMs, stale } = this.#policy
    const { ttlMs, state } = isExact && planned.kind === 'for' ? { ttlMs: planned.ms } : this.#ttl(planned, { request, exchange, body })
    const windows = staleWindows(headers, stale, this.#targetedFields)
    // What is known of its changes is of use longer than the response.
    const keepMs = ttlMs + Math.max(windows.whileRevalidateMs, windows.ifErrorMs, adaptive?.maxMs ?? 0, isValidatable ? revalidateMs : 0)
    return { ttlMs, keepMs, ...windows, ...state === undefined ? {} : { adaptive: state } }
  }

  #ttl (planned: Planned, { request, exchange, body }: { request: FastifyRequest, exchange: Miss, body: Buffer }): { ttlMs: number, state?: AdaptiveState } {
    const { adaptive, jitter } = this.#policy
    if (planned.kind === 'until') return { ttlMs: plannedMs(planned, this.#cache.now) }
    if (adaptive === undefined) return { ttlMs: jittered(planned.ms, jitter, this.#random) }
    const { admitted, former, key, run } = exchange
    const known = former !== undefined && variesMatch(former.vary, request.headers) ? former : undefined
    const own = digest(body).slice(0, 22)
    // A change that an invalidation announced was served to nobody.
    const before = known?.adaptive !== undefined && this.#cache.isInvalidated(known, key) ? { ...known.adaptive, digest: own } : known?.adaptive
    const { ttlMs, state, why } = nextLifetime(before, { digest: own, at: this.#cache.now - run.costMs, firstMs: planned.ms }, adaptive)
    this.#book.chose({ key: admitted.key.id, ttl: ttlMs / 1000, why })
    return { ttlMs: jittered(ttlMs, jitter, this.#random), state }
  }
}

/** An age that cannot be read counts as endless, which cannot be written down. */
const LONGEST_AGE_MS = 2 ** 31 * 1000
