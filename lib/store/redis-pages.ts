import { hash } from 'node:crypto'
import { InvalidOptionError } from '../errors.ts'
import type { RedisNode } from './redis-nodes.ts'
import { COUNT, isOwn, overKeys, readHeaders, throwFaultOf, Unanswered, WALK_DEFAULTS, type FoundHeader, type RedisWalkOptions, type Walk } from './redis-walk.ts'
import { isReply } from './store-health.ts'
import type { Page, PagedEntry, PageOptions } from './store.ts'

/*
 * Looks at what is stored, a page at a time. Nothing is kept between two pages: where the next one begins is all in its cursor. As with
 * SCAN, what is there from the first page to the last is met, perhaps on two pages; what moves to another master of a Cluster meanwhile
 * may be met on none. A master that was replaced by another one is looked at again from its beginning.
 */

/** For one page: among many keys of others a page may be empty, and the next one goes on. */
const MOST_SCANS = 100
/** In a preamble: see `stored-entry.ts`. */
const BODY_LENGTH_AT = 12
const CURSOR = /^\d{1,20}\.(?:[\w-]{8})?(?:\.[\w-]{8}){0,1000}$/
const LARGEST_CURSOR = 2n ** 64n - 1n

/** How far it is: the cursor of SCAN on one master, and the masters that are done. Names are digests, they may be addresses. */
interface Place {
  readonly at: string
  readonly node: string
  readonly done: readonly string[]
}

const BEGINNING: Place = { at: '0', node: '', done: [] }

export class RedisPages {
  readonly #options: RedisWalkOptions

  constructor (options: Pick<RedisWalkOptions, 'open' | 'prefix'>) {
    this.#options = { ...WALK_DEFAULTS, ...options }
  }

  /** Rejects with the fault of Redis or the reason of the signal, and with `RESPONSE_CACHE_ERR_OPTION_INVALID` for what is no cursor. */
  async page (options: PageOptions, signal?: AbortSignal): Promise<Page> {
    const from = parseCursor(options.cursor)
    return await overKeys(this.#options, signal, async (walk) => {
      const { entries, place, looked } = await fill(walk, from, options)
      const share = options.isSample === true ? await shareOf(walk, looked) : undefined
      return {
        entries,
        ...nodeAt(walk, place) === undefined ? {} : { cursor: cursorOf(place) },
        ...share === undefined ? {} : { share }
      }
    })
  }
}

/** As many batches as fit into the page. */
async function fill (walk: Walk, from: Place, { limit, head, isWanted = () => true }: PageOptions): Promise<{ entries: PagedEntry[], place: Place, looked: number }> {
  const found = new Map<string, PagedEntry>()
  let place = from
  let looked = 0
  let count = COUNT
  for (let scans = 0; scans < MOST_SCANS && found.size < limit; scans++) {
    const current = nodeAt(walk, place)
    if (current === undefined) break
    const batch = await walk.scan(current.node, { cursor: current.at, head, count })
    const keys = batch.keys.filter((key) => isWanted(walk.idOf(key)))
    if (found.size + keys.length > limit) {
      // The next page begins with this batch; one that does not fit into any page is read in smaller ones.
      if (found.size > limit / 2) break
      if (count > 1) {
        count = Math.ceil(count / 2)
        continue
      }
    }
    for (const entry of await readBatch(walk, keys)) found.set(entry.id, entry)
    looked += count
    place = next(place, current.node, batch.cursor)
  }
  return { entries: [...found.values()], place, looked }
}

async function readBatch (walk: Walk, keys: readonly Buffer[]): Promise<PagedEntry[]> {
  if (keys.length === 0) return []
  const own = (await readHeaders(walk, keys)).filter((entry) => isOwn(walk, entry))
  const lifetimes = await walk.each(own, (redis, { key }) => redis.pTTL(walk.nameOf(key)))
  throwFaultOf(lifetimes)
  return own.flatMap((entry, at) => {
    const lifetime = lifetimes[at]!
    return lifetime.status === 'fulfilled' ? paged(walk, entry, Number(lifetime.value)) : []
  })
}

/** -2: it is gone meanwhile, -1: it does not go. */
function paged (walk: Walk, { key, header, preamble }: FoundHeader, ttlMs: number): PagedEntry[] {
  if (ttlMs === -2) return []
  return [{ id: walk.idOf(key), header, bodyBytes: preamble.readUInt32BE(BODY_LENGTH_AT), ttlMs: ttlMs < 0 ? undefined : ttlMs }]
}

/** A user of Redis may have no right to ask how many keys there are: then it is not known. */
async function shareOf (walk: Walk, looked: number): Promise<number | undefined> {
  try {
    const size = await walk.size()
    return size === 0 ? 1 : Math.min(1, looked / size)
  } catch (fault) {
    if (fault instanceof Unanswered && isReply(fault.fault)) return undefined
    throw fault
  }
}

/** The master to look at, and from where. */
function nodeAt (walk: Walk, { at, node, done }: Place): { node: RedisNode, at: string } | undefined {
  const left = walk.nodes().filter(({ name }) => !done.includes(digestOf(name)))
  const same = left.find(({ name }) => digestOf(name) === node)
  if (same !== undefined) return { node: same, at }
  return left[0] === undefined ? undefined : { node: left[0], at: '0' }
}

function next ({ done }: Place, { name }: RedisNode, at: string): Place {
  return at === '0' ? { at, node: '', done: [...done, digestOf(name)] } : { at, node: digestOf(name), done }
}

function digestOf (name: string): string {
  return hash('sha256', name, 'base64url').slice(0, 8)
}

function cursorOf ({ at, node, done }: Place): string {
  return [at, node, ...done].join('.')
}

function parseCursor (cursor: string | undefined): Place {
  if (cursor === undefined) return BEGINNING
  if (!CURSOR.test(cursor) || BigInt(cursor.split('.', 1)[0]!) > LARGEST_CURSOR) throw new InvalidOptionError('cursor', 'the options of entries()', 'expected one that entries() has given')
  const [at, node, ...done] = cursor.split('.')
  return { at: at!, node: node!, done }
}
