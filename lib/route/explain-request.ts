import type { FastifyReply, FastifyRequest } from 'fastify'
import type { NotStoredReason } from '../http/cache-status.ts'
import { isNeverFresh } from '../http/freshness.ts'
import type { RoutePolicy } from '../options/policy.ts'
import type { LookupResult, Miss, ResponseCache, Stale } from '../response-cache.ts'
import type { Admission, Admitted } from './admission.ts'
import { endExplained } from './explain-stop.ts'
import type { Explained, LookedUp } from './explained.ts'
import { groupOf } from './groups.ts'
import { asAsked } from './obey.ts'
import { repeatable, type Purpose } from './repeat.ts'
import type { Sharing } from './sharing.ts'

interface Asked {
  readonly request: FastifyRequest
  readonly admitted: Admission
}

interface Parts {
  readonly policy: RoutePolicy
  readonly cache: ResponseCache
  readonly shared: Pick<Sharing, 'uncacheable' | 'rests'>
  readonly targetedFields: readonly string[]
}

/** What is remembered of answers that were not storable. */
interface Remembered {
  readonly reason: NotStoredReason | undefined
  /** Requests run their handlers at once. */
  readonly isAhead: boolean
}

/** Tells what a real request would come to here, and ends this one: no handler runs, and nothing is stored, refreshed or counted. */
export function explainRequest ({ explain }: Extract<Purpose, { explain: unknown }>, { request, reply, admitted }: Asked & { reply: FastifyReply }, parts: Parts): void {
  explained({ request, admitted }, parts).then(explain).then(() => { endExplained(reply) }, (fault: unknown) => { void reply.send(fault) })
}

async function explained ({ request, admitted }: Asked, parts: Parts): Promise<Explained> {
  const { cache, policy, shared } = parts
  if (admitted.outcome === 'bypass') return { outcome: 'bypass', reason: admitted.reason, cache, policy }
  const asked = { key: admitted.key, headers: request.headers }
  const remembered = shared.uncacheable.remembered(admitted.key, request.headers)
  const found = await cache.lookUp(admitted.key, request.headers)
  const response = found.outcome === 'miss' ? found.former : found.response
  const said = outcomeOf(found, { request, admitted, remembered }, parts)
  const notStored = said.outcome !== 'miss' ? undefined : request.method === 'HEAD' ? 'head' : remembered?.reason
  return {
    ...said, cache, policy, key: found.key, selecting: cache.selecting(asked), ...notStored === undefined ? {} : { notStored }, ...response === undefined ? {} : { response }
  }
}

type Said = Pick<LookedUp, 'outcome' | 'reason'>

/** As the hooks of the route go on from here. */
function outcomeOf (found: LookupResult, { request, admitted, remembered }: { request: FastifyRequest, admitted: Admitted, remembered: Remembered | undefined }, parts: Parts): Said {
  const { cache, policy, targetedFields } = parts
  const { wanted } = admitted
  const isForOne = remembered?.isAhead === true
  if (isForOne && policy.stale.ifErrorMs === undefined && wanted?.onlyIfCached !== true) return { outcome: 'miss', reason: 'uri-miss' }
  const result = wanted === undefined ? found : asAsked(found, wanted, { cache, targetedFields })
  if (result.outcome === 'hit') return { outcome: 'hit' }
  if (result.outcome === 'asked-stale') return { outcome: 'stale', reason: 'max-stale' }
  if (wanted?.onlyIfCached === true) return { outcome: 'miss', reason: 'only-if-cached' }
  return isForOne || admitted.hasCredentials === true ? missOf(result) : staleOrMiss(result, request, parts)
}

function missOf (result: Stale | Miss): Said {
  return { outcome: 'miss', reason: result.outcome === 'stale' ? 'stale' : result.reason }
}

function staleOrMiss (result: Stale | Miss, request: FastifyRequest, { shared }: Parts): Said {
  if (result.outcome !== 'stale') return missOf(result)
  const { response, use } = result
  if (isNeverFresh(response)) return missOf(result)
  const isResting = shared.rests.leftMs(groupOf(result)) > 0
  if (use === 'if-error') return isResting ? { outcome: 'stale', reason: 'stale-if-error' } : missOf(result)
  // Where nobody refreshes it now, it need not be possible.
  return isResting || repeatable(request, request.originalUrl) !== undefined ? { outcome: 'stale', reason: 'stale-while-revalidate' } : missOf(result)
}
