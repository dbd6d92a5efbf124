import { MARK_SCRIPT } from '../../lib/store/mark-script.ts'
import { PAGE_SCRIPT } from '../../lib/store/marks-reader.ts'
import { runMarkScript, runPageScript, runProducedScript } from './simulated-scripts.ts'

interface Kept {
  readonly value: Buffer
  readonly expiresAtMs: number
}

export interface ScoredMember {
  readonly value: string
  readonly score: number
}

/** All that Redis has, to be loaded again. */
export interface Snapshot {
  readonly at: number
  readonly strings: ReadonlyMap<string, Kept>
  readonly sets: ReadonlyMap<string, ReadonlyMap<string, number>>
}

export interface Published {
  readonly number: number
  readonly channel: string
  readonly text: string
}

const SNAPSHOTS = 24

/** Redis as far as the store uses it, with a clock that is passed in. Compared with a real one in `simulated-redis.test.ts`. */
export class SimulatedRedis {
  /** Messages so far. */
  published = 0
  /** Writes so far. */
  writes = 0
  /** Microseconds that the clock of this server is ahead. */
  aheadMicros = 0
  readonly snapshots: Snapshot[] = []
  readonly subscribers = new Set<(message: Published) => void>()
  readonly #now: () => number
  readonly #keepsSnapshots: boolean
  #strings = new Map<string, Kept>()
  #sets = new Map<string, Map<string, number>>()

  constructor ({ now, keepsSnapshots = false }: { now: () => number, keepsSnapshots?: boolean }) {
    this.#now = now
    this.#keepsSnapshots = keepsSnapshots
  }

  get timeMicros (): number {
    return this.#now() + this.aheadMicros
  }

  /** What a client sends, by the name it has in node-redis. */
  execute (name: string, args: readonly unknown[]): unknown {
    const key = args[0] as string
    if (this.#keepsSnapshots && WRITES.has(name)) this.#keepSnapshot()
    switch (name) {
      case 'get': return this.get(key) ?? null
      case 'set': return this.set(key, args[1] as Buffer, (args[2] as { expiration: { value: number } }).expiration.value)
      case 'unlink': return Number(this.#strings.has(key) && this.get(key) !== undefined && this.#strings.delete(key)) + Number(this.#sets.delete(key))
      case 'pExpire': return this.#expire(key, args[1] as number)
      case 'pTTL': return this.get(key) === undefined ? -2 : this.#strings.get(key)!.expiresAtMs - this.#ms
      case 'zmScore': return (args[1] as string[]).map((member) => this.scoreOf(key, member) ?? null)
      case 'eval': return this.#eval(key, args[1] as { keys: string[], arguments: string[] })
    }
    throw new Error(`the simulated Redis has no ${name}`)
  }

  /** Whoever asks for what has expired removes it: a clock that goes back does not bring it back. */
  get (key: string): Buffer | undefined {
    const kept = this.#strings.get(key)
    if (kept === undefined || kept.expiresAtMs > this.#ms) return kept?.value
    this.#strings.delete(key)
    return undefined
  }

  set (key: string, value: Buffer, ttlMs: number): string {
    this.#strings.set(key, { value, expiresAtMs: this.#ms + ttlMs })
    return 'OK'
  }

  scoreOf (key: string, member: string): number | undefined {
    return this.#sets.get(key)?.get(member)
  }

  zAdd (key: string, scores: Readonly<Record<string, number>>): void {
    const set = this.#sets.get(key) ?? new Map<string, number>()
    for (const [member, score] of Object.entries(scores)) set.set(member, score)
    this.#sets.set(key, set)
  }

  zRemove (key: string, isMeant: (score: number, member: string) => boolean): void {
    const set = this.#sets.get(key)!
    for (const [member, score] of set) if (isMeant(score, member)) set.delete(member)
  }

  /** By score, and by member where scores are the same. */
  sorted (key: string): ScoredMember[] {
    const members = [...this.#sets.get(key) ?? []].map(([value, score]) => ({ value, score }))
    return members.sort((a, b) => a.score - b.score || Buffer.compare(Buffer.from(a.value), Buffer.from(b.value)))
  }

  publish (channel: string, text: string): void {
    const message = { number: ++this.published, channel, text }
    for (const hear of this.subscribers) hear(message)
  }

  snapshot (): Snapshot {
    return { at: this.#now(), strings: new Map(this.#strings), sets: new Map([...this.#sets].map(([key, set]) => [key, new Map(set)])) }
  }

  /** Without a snapshot: empty. */
  load (snapshot?: Snapshot): void {
    this.#strings = new Map(snapshot?.strings)
    this.#sets = new Map([...snapshot?.sets ?? []].map(([key, set]) => [key, new Map(set)]))
  }

  evict (key: string): void {
    this.#strings.delete(key)
    this.#sets.delete(key)
  }

  get #ms (): number {
    return Math.floor(this.timeMicros / 1000)
  }

  #expire (key: string, ttlMs: number): number {
    const value = this.get(key)
    if (value !== undefined) this.set(key, value, ttlMs)
    return Number(value !== undefined)
  }

  #eval (script: string, options: { keys: string[], arguments: Array<string | Buffer> }): unknown {
    if (script === MARK_SCRIPT) return runMarkScript(this, options.keys[0]!, options.arguments as string[])
    if (script === PAGE_SCRIPT) return runPageScript(this, options.keys[0]!, options.arguments as string[])
    if (script.includes('GETRANGE')) return runProducedScript(this, options.keys[0]!, options.arguments)
    throw new Error('the simulated Redis does not know this script')
  }

  #keepSnapshot (): void {
    this.writes++
    this.snapshots.push(this.snapshot())
    if (this.snapshots.length > SNAPSHOTS) this.snapshots.splice(this.writes % 3 === 0 ? 0 : 1, 1) // the first may be an old one
  }
}

const WRITES = new Set(['set', 'unlink', 'pExpire', 'eval'])
