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
/** Looking into an entry reads it with its body. */
const AT_ONCE = 8

/** Looks at entries until all were seen or it was enough. Invalidates nothing. Errors: `RESPONSE_CACHE_ERR_TARGET_INVALID`. */
export async function previewInvalidation (cache: Cache, { all = false, ...targets }: InvalidationTargets & { all?: boolean }): Promise<InvalidationPreview> {
  const endsAt = performance.now() + MOST_MS
  const isHit = all ? async () => true : hitBy(cache, targets)
  const found = new Set<string>()
  const scanned = new Set<string>()
  let cursor: string | undefined
  let isComplete = false
  while (!isComplete && scanned.size < MOST_SCANNED && performance.now() < endsAt) {
    const page = await cache.entries({ limit: PAGE, ...all ? {} : narrowed(targets), cursor })
    // What is there when the call begins may be met twice.
    const met = page.entries.filter(({ key, kind }) => kind !== 'variants' && !scanned.has(key))
    for (let at = 0; at < met.length && performance.now() < endsAt; at += AT_ONCE) {
      const some = met.slice(at, at + AT_ONCE)
      const hit = await Promise.all(some.map(async (entry) => entry.state !== 'invalidated' && await isHit(entry)))
      for (const [index, { key }] of some.entries()) {
        scanned.add(key)
        if (hit[index] === true) found.add(key)
      }
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
function hitBy (cache: Cache, targets: InvalidationTargets): (entry: EntrySummary) => Promise<boolean> {
  const { keys = [], namespaces = [], patterns = [], users = [], urls = [] } = targets
  const marked = new Set(labelsOf(targets).map((label) => textOf(readableLabel(label)))) // also says what is wrong
  return async ({ key, kind, namespace, tags: own, isPerUser }) => {
    if (keys.includes(key) || namespaces.includes(namespace)) return true
    if (own.some((tag) => marked.has(`tag ${tag}`)) || patterns.some((pattern) => globMatches(pattern, key))) return true
    // What else it is found by is in the entry itself.
    const isAsked = (keys.length > 0 && kind === 'response') || (users.length > 0 && isPerUser) || (urls.length > 0 && kind === 'response')
    const details = isAsked ? await cache.inspect(key) : undefined
    return details?.labels.some((label) => marked.has(textOf(label))) === true
  }
}

function textOf ({ kind, value }: ReadableLabel): string {
  return `${kind} ${value}`
}
