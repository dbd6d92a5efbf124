import { setImmediate } from 'node:timers/promises'
import { readableLabel, type ReadableLabel } from '../inspect/label-words.ts'
import { globMatches } from '../marks/glob.ts'
import { labelsOf, type InvalidationTargets } from '../marks/targets.ts'
import type { Cache } from '../client/cache.ts'
import type { EntrySummary } from '../inspect/summaries.ts'

/** What an invalidation would hit now. */
export interface InvalidationPreview {
  /** Entries that were found and would be hit. */
  readonly entries: number
  /** The first 20 of their keys. */
  readonly keys: readonly string[]
  /** Entries that were looked at. */
  readonly scanned: number
  /** Whether those were all that there are. */
  readonly isComplete: boolean
}

const MOST_KEYS = 20
/** Looking stops behind so many entries, and after so long. */
const MOST_SCANNED = 10_000
const MOST_MS = 2000
const PAGE = 500
const TURN_MS = 10

/** Looks at entries, not at their bodies, until all were seen or it was enough. Invalidates nothing. Errors: `RESPONSE_CACHE_ERR_TARGET_INVALID`. */
export async function previewInvalidation (cache: Cache, { all = false, ...targets }: InvalidationTargets & { all?: boolean }): Promise<InvalidationPreview> {
  const endsAt = performance.now() + MOST_MS
  const turns = new Turns()
  const isHit = all ? async () => true : hitBy(targets, turns)
  const found = new Set<string>()
  const scanned = new Set<string>()
  let cursor: string | undefined
  let isComplete = false
  while (!isComplete && scanned.size < MOST_SCANNED && performance.now() < endsAt) {
    const page = await cache.entries({ limit: PAGE, ...all ? {} : narrowed(targets), cursor })
    // What is there when the call begins may be met twice.
    const met = page.entries.filter(({ key, kind }) => kind !== 'variants' && !scanned.has(key))
    for (const entry of met) {
      if (performance.now() >= endsAt) break
      if (turns.isOver) await turns.next()
      scanned.add(entry.key)
      if (entry.state !== 'invalidated' && await isHit(entry)) found.add(entry.key)
    }
    cursor = page.cursor
    isComplete = cursor === undefined && met.every(({ key }) => scanned.has(key))
  }
  return { entries: found.size, keys: [...found].slice(0, MOST_KEYS), scanned: scanned.size, isComplete }
}

/** Where only one namespace, or one pattern, is asked for, the store looks at no others. */
function narrowed ({ namespaces = [], patterns = [], ...others }: InvalidationTargets): { namespace?: string, match?: string } {
  if (Object.values(others).some((names) => names.length > 0)) return {}
  if (namespaces.length === 1 && patterns.length === 0) return { namespace: namespaces[0]! }
  return namespaces.length === 0 && patterns.length === 1 ? { match: patterns[0]! } : {}
}

/** Whether an invalidation of these hits an entry. */
function hitBy (targets: InvalidationTargets, turns: Turns): (entry: EntrySummary) => Promise<boolean> {
  const { keys = [], namespaces = [], patterns = [] } = targets
  const marked = new Set(labelsOf(targets).map((label) => textOf(readableLabel(label)))) // also says what is wrong
  return async ({ key, labels, namespace }) => {
    if (keys.includes(key) || namespaces.includes(namespace) || labels.some((label) => marked.has(textOf(label)))) return true
    for (const pattern of patterns) {
      if (turns.isOver) await turns.next()
      if (globMatches(pattern, key)) return true
    }
    return false
  }
}

/** Patterns may be long and many, and keys as well: others have their turn in between. */
class Turns {
  #endsAt = performance.now() + TURN_MS

  get isOver (): boolean {
    return performance.now() >= this.#endsAt
  }

  async next (): Promise<void> {
    await setImmediate()
    this.#endsAt = performance.now() + TURN_MS
  }
}

function textOf ({ kind, value }: ReadableLabel): string {
  return `${kind} ${value}`
}
