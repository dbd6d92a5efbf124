import type { FastifyInstance } from 'fastify'
import type { ResponseKey } from '../cache-key.ts'
import type { ExplainedRequest, Explainer, Explanation } from '../client/explanation.ts'
import { timer } from '../deadline.ts'
import { ClosedError, NotExplainedError } from '../errors.ts'
import { detailsOf, type EntryDetails } from '../inspect/summaries.ts'
import type { ResponseCache } from '../response-cache.ts'
import type { GuardedStore } from '../store/guarded-store.ts'
import type { StoredResponse } from '../stored-entry.ts'
import { checkExplained } from './explain-input.ts'
import { decodeKey, differencesOf, shownParts, type DecodedPart } from './explain-key.ts'
import type { Explained } from './explained.ts'
import { rootOf } from './fastify-internals.ts'
import { docsOfReason } from './reason-docs.ts'
import type { Purpose, Repeater, SentRequest } from './repeat.ts'

export interface ExplainerParts {
  readonly app: FastifyInstance
  readonly repeater: Repeater
  readonly cache: ResponseCache
  readonly store: Pick<GuardedStore, 'marks' | 'ttlMs'>
  /** Aborts when the app closes. */
  readonly closed: AbortSignal
  /** How long the guards of a route may take, in milliseconds. Default 10 seconds. */
  readonly longestMs?: number
}

interface Told {
  readonly explanation: Explanation
  /** Undefined without a key. */
  readonly parts?: readonly DecodedPart[]
}

type WithRoute = Extract<Explained, { policy: unknown }>
type LookedUp = Exclude<WithRoute, { outcome: 'bypass' }>

const LONGEST_MS = 10_000

/** Sends requests through the app from inside, as far as to the look-up, and tells what has become of them. */
export class AppExplainer implements Explainer {
  readonly #parts: ExplainerParts

  constructor (parts: ExplainerParts) {
    this.#parts = parts
  }

  /** Errors: `RESPONSE_CACHE_ERR_TARGET_INVALID`, `RESPONSE_CACHE_ERR_OPTION_*`, `RESPONSE_CACHE_ERR_NOT_EXPLAINED`, `RESPONSE_CACHE_ERR_CLOSED`. */
  async explain (request: string | ExplainedRequest, other?: string | ExplainedRequest): Promise<Explanation> {
    const isSecure = 'setSecureContext' in this.#parts.app.server
    const [one, two] = [checkExplained(request, isSecure), other === undefined ? undefined : checkExplained(other, isSecure)]
    const first = await this.#tell(one)
    if (two === undefined) return first.explanation
    const second = await this.#tell(two)
    return { ...first.explanation, other: second.explanation, differences: differencesBetween(first, second) }
  }

  async #tell ({ method, url, sent }: ReturnType<typeof checkExplained>): Promise<Told> {
    const what = await this.#send(sent)
    const asked = { method, url, isCached: false }
    if ('status' in what) return { explanation: { ...asked, outcome: 'guard', status: what.status, docs: PAGE + 'guard' } }
    if (what.outcome === 'no-route') return { explanation: { ...asked, outcome: 'no-route' } }
    if (what.outcome === 'not-cached') return { explanation: { ...asked, outcome: 'not-cached', route: what.route, docs: PAGE + 'not-cached' } }
    const { namespace, route } = what.policy
    // Of another scope, which has a cache of its own.
    if (what.cache !== this.#parts.cache) return { explanation: { ...asked, outcome: 'not-cached', route, docs: PAGE + 'not-cached' } }
    if (what.outcome === 'bypass') return { explanation: { ...asked, outcome: 'bypass', reason: what.reason, docs: docsOfReason('bypass', what.reason), route, namespace } }
    return await this.#lookedUp(what, asked)
  }

  async #lookedUp (what: LookedUp, asked: Pick<Explanation, 'method' | 'url'>): Promise<Told> {
    const { key, outcome, policy: { namespace, route }, reason, notStored, response, selecting } = what
    const parts = decodeKey(key.text, selecting)
    const explanation: Explanation = {
      ...asked,
      route,
      isCached: outcome !== 'miss' || (notStored === undefined && reason !== 'only-if-cached' && reason !== 'store-error'),
      outcome,
      ...reason === undefined ? {} : { reason },
      ...notStored === undefined ? {} : { notStored },
      ...docsOf(what),
      key: key.id,
      namespace,
      keyParts: shownParts(parts),
      ...response === undefined ? {} : { entry: await this.#entry(key, response) }
    }
    return { explanation, parts }
  }

  async #entry (key: ResponseKey, { body, ...header }: StoredResponse): Promise<EntryDetails> {
    const { cache, store } = this.#parts
    const ttlMs = await store.ttlMs(key)
    return detailsOf({ id: key.id, header, bodyBytes: body.length, ttlMs }, { ledger: store.marks.ledger, now: cache.now })
  }

  /** What the route has told, or the status of what has answered before. */
  async #send (sent: SentRequest): Promise<Explained | { readonly status: number }> {
    const { app, closed, longestMs = LONGEST_MS, repeater } = this.#parts
    let what: Explained | undefined
    const purpose: Purpose = { explain: (told) => { what ??= told } }
    await rootOf(app).ready()
    const late = new AbortController()
    // Who waits is told, also where nothing else keeps the process alive.
    const { clear } = timer(longestMs, (fault) => { late.abort(fault) })
    try {
      const status = await repeater.send(sent, purpose, AbortSignal.any([closed, late.signal]))
      if (what === undefined && closed.aborted) throw new ClosedError() // Fastify answers with 503
      return what ?? { status }
    } catch (fault) {
      if (closed.aborted || fault instanceof ClosedError) throw new ClosedError()
      if (late.signal.aborted) throw new NotExplainedError(`the app has not come to the look-up, nor answered, in ${longestMs} ms`)
      throw new NotExplainedError((fault as Error).message)
    } finally {
      clear()
    }
  }
}

const PAGE = 'docs/what-is-cached.md#'

function docsOf ({ outcome, notStored, reason }: LookedUp): { docs?: string } {
  if (notStored !== undefined) return { docs: docsOfReason('not-stored', notStored) }
  if (reason === undefined) return {}
  return { docs: docsOfReason(outcome === 'stale' ? 'stale' : reason === 'only-if-cached' ? 'refusal' : 'miss', reason) }
}

function differencesBetween (first: Told, second: Told): NonNullable<Explanation['differences']> {
  if (first.parts !== undefined && second.parts !== undefined) return differencesOf(first.parts, second.parts)
  const [one, other] = [first.explanation, second.explanation].map(({ outcome, reason, status }) => [outcome, reason ?? status].filter((word) => word !== undefined).join(': '))
  return one === other ? [] : [{ part: 'outcome', first: one!, second: other! }]
}
