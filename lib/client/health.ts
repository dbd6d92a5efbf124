import { docsOf } from '../advice/advice.ts'
import type { CacheSettings } from '../options/resolve.ts'
import type { GuardedStore } from '../store/guarded-store.ts'

/** How the cache does. It is never a reason to end a process: without the cache, routes answer. */
export interface Health {
  /** `degraded`: routes answer, and some or all of them without the cache. */
  readonly status: 'ok' | 'degraded'
  readonly isAlive: true
  /** Where entries are. */
  readonly store: 'memory' | 'redis' | 'memory and redis' | 'own'
  /** Why it is degraded; empty when it is not. They name no addresses, so that they may be shown. */
  readonly reasons: readonly HealthReason[]
}

export interface HealthReason {
  /** Names it, and stays the same. */
  readonly word: HealthWord
  readonly text: string
  /** Where the docs say more. */
  readonly docs: string
}

export type HealthWord = 'store-error' | 'write-error' | 'invalidations-pending' | 'deaf' | 'closed'

const TEXTS: Readonly<Record<HealthWord, string>> = {
  'store-error': 'The store does not answer in time, or is left alone because it fails: routes answer without the cache. The log says why.',
  'write-error': 'The store fails to write: responses are not stored. The log says why.',
  'invalidations-pending': 'The store has not confirmed all invalidations yet: other processes may serve what is invalidated. They are sent again until it has.',
  deaf: 'Invalidations by other processes cannot be heard of: hits from memory ask Redis first.',
  closed: 'The cache is closed.'
}

export interface Watched {
  readonly settings: Pick<CacheSettings, 'enabled' | 'memory' | 'redis' | 'store'>
  readonly store: Pick<GuardedStore, 'probe' | 'stats'>
  readonly isClosed: boolean
}

/** Takes as long as a look-up may at most, and never rejects. */
export async function healthOf (watched: Watched): Promise<Health> {
  const reasons = (await wordsOf(watched)).map((word) => ({ word, text: TEXTS[word], docs: docsOf(word) }))
  return { status: reasons.length === 0 ? 'ok' : 'degraded', isAlive: true, store: kindOf(watched.settings), reasons }
}

async function wordsOf ({ settings, store, isClosed }: Watched): Promise<HealthWord[]> {
  if (isClosed) return ['closed']
  if (!settings.enabled) return []
  const { probe } = store
  const answers = await probe.answers()
  const { read, write } = probe.leftAlone
  const fails: HealthWord[] = !answers || read ? ['store-error'] : write ? ['write-error'] : []
  const isPending = store.stats().pendingInvalidations > 0
  return [...fails, ...isPending ? ['invalidations-pending' as const] : [], ...probe.isDeaf ? ['deaf' as const] : []]
}

function kindOf ({ memory, redis, store }: Watched['settings']): Health['store'] {
  if (store !== undefined) return 'own'
  if (redis === undefined) return 'memory'
  return memory === undefined ? 'redis' : 'memory and redis'
}
