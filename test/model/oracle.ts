import type { Life } from './simulated-process.ts'
import type { Resource } from './things.ts'

/** An acknowledged write: what shows its things may not be older any more. */
interface Promised {
  readonly life: Life
  readonly what: string
  /** By number of thing, of the database, when the write was confirmed or, for an invalidation, called. */
  readonly versions: ReadonlyMap<number, number>
  readonly beganAt: number
  ackedAt: number
  /** The last message that may tell of it; Infinity when none does. */
  message: number
  /** A value that was set or deleted: what Redis loses of that, nobody puts back. */
  readonly isValue: boolean
  state: 'kept' | 'suspended' | 'void'
  /** Since when it holds, or was suspended. */
  since: number
}

export interface Acked {
  readonly life: Life
  readonly what: string
  readonly resources: readonly Resource[]
  readonly versions: ReadonlyMap<number, number>
  readonly beganAt: number
  readonly message: number
  readonly isValue: boolean
}

/** A read that has begun. */
export interface Read {
  readonly life: Life
  readonly resource: Resource
  readonly beganAt: number
  /** A hit from memory, without a word from Redis; known as soon as it was called. */
  isImmediate: boolean
  /** By `getOrSet`: when Redis does not answer, it may wait for a producer that runs since before. */
  mayJoin: boolean
  /** The last message that the process had, and when it was told that it hears everything. */
  readonly heard: number
  readonly upAt: number
  readonly isDeaf: boolean
  readonly faults: number
}

interface Loss {
  readonly at: number
  /** What was confirmed up to here is still there. */
  readonly from: number
  /** Who is left puts marks back; otherwise nobody does. */
  readonly isHealed: boolean
}

/** Knows what was promised to whom, and what no read may give. */
export class Oracle {
  readonly #promised = new Map<Resource, Promised[]>()
  readonly #now: () => number
  readonly #published: () => number
  #losses: Loss[] = []
  /** After a loss with a clock that is behind: those who have not looked since. */
  #unsettled = new Set<Life>()

  /** `published`: messages so far. */
  constructor ({ now, published }: { now: () => number, published: () => number }) {
    this.#now = now
    this.#published = published
  }

  acked ({ resources, ...acked }: Acked): void {
    const promised: Promised = { ...acked, ackedAt: this.#now(), state: 'kept', since: this.#now() }
    for (const loss of this.#losses) if (acked.beganAt <= loss.at) this.#lose(promised, loss)
    if (this.#unsettled.size > 0) this.#suspend(promised)
    for (const resource of resources) {
      const versions = new Map([...acked.versions].filter(([thing]) => resource.things.includes(thing)))
      if (versions.size === 0) continue
      const list = this.#promised.get(resource) ?? []
      list.push({ ...promised, versions })
      this.#promised.set(resource, list)
    }
  }

  begin (life: Life, resource: Resource): Read {
    const { feed, faults } = life
    return { life, resource, beganAt: this.#now(), isImmediate: false, mayJoin: false, heard: feed.heard, upAt: feed.upAt, isDeaf: feed.isDown, faults }
  }

  /** What is wrong with what the read has given, if anything. */
  wrong (read: Read, versions: readonly number[]): string | undefined {
    for (const promised of this.#promised.get(read.resource) ?? []) {
      if (!isDue(promised, read)) continue
      for (const [at, thing] of read.resource.things.entries()) {
        const least = promised.versions.get(thing) ?? 0
        if (versions[at]! < least) {
          return `${read.resource.name} in ${read.life.owner}, asked at ${read.beganAt}${read.isImmediate ? ' and answered from memory' : ''}: thing ${thing} is ${versions[at]}, ` +
            `but ${promised.what} in ${promised.life.owner} was confirmed at ${promised.ackedAt} with ${least}`
        }
      }
    }
    return undefined
  }

  /** A process has looked, and Redis has answered: it has put back what it knows. */
  looked ({ life, beganAt, faults }: Pick<Read, 'life' | 'beganAt' | 'faults'>): void {
    if (life.isOver || life.faults !== faults) return
    const lostAt = this.#losses.at(-1)?.at ?? -1
    if (beganAt > lostAt) this.#unsettled.delete(life)
    if (this.#unsettled.size > 0) return
    for (const promised of this.#all()) {
      if (promised.state !== 'suspended' || promised.life !== life || promised.since >= beganAt) continue
      Object.assign(promised, { state: 'kept', since: this.#now(), ackedAt: this.#now(), message: this.#published() })
    }
  }

  lost (loss: Loss, unsettled: readonly Life[]): void {
    this.#losses.push(loss)
    for (const life of unsettled) this.#unsettled.add(life)
    for (const promised of this.#all()) this.#lose(promised, loss)
    if (this.#unsettled.size > 0) for (const promised of this.#all()) this.#suspend(promised)
  }

  /** Nobody promises any longer that what was set is not followed by what is older. */
  released (resource: Resource): void {
    for (const promised of this.#promised.get(resource) ?? []) if (promised.isValue) promised.state = 'void'
  }

  ended (life: Life): void {
    this.#unsettled.delete(life)
    for (const promised of this.#all()) if (promised.life === life && promised.state === 'suspended') promised.state = 'void'
  }

  #lose (promised: Promised, { at, from, isHealed }: Loss): void {
    if (promised.ackedAt <= from) return
    if (promised.isValue || !isHealed || promised.life.isOver) promised.state = 'void'
    else this.#suspend(promised, at)
  }

  #suspend (promised: Promised, at = this.#now()): void {
    if (promised.state !== 'void') Object.assign(promised, { state: 'suspended', since: Math.max(at, promised.state === 'suspended' ? promised.since : 0) })
  }

  #all (): Promised[] {
    return [...this.#promised.values()].flat()
  }
}

/** Whether this read must have known of it. */
function isDue (promised: Promised, read: Read): boolean {
  if (promised.state !== 'kept' || promised.ackedAt > read.beganAt || promised.since > read.beganAt) return false
  const { options: { maxBlindMs, hasMemory }, faults } = read.life
  const isAnswered = faults === read.faults
  if (read.mayJoin && !isAnswered) return false
  if (!hasMemory || promised.ackedAt <= read.beganAt - maxBlindMs * 1000) return true
  const isAsked = !read.isImmediate && isAnswered
  return isAsked || (read.isImmediate && read.isDeaf) || promised.life === read.life || promised.message <= read.heard || promised.ackedAt <= read.upAt
}
