import { setTimeout as sleep } from 'node:timers/promises'
import { isOfLongerPrefix } from '../cache-key.ts'
import { decodeHeader, headerEnd, PREAMBLE_BYTES } from '../stored-entry.ts'
import { RedisNodes, type RedisNode, type WalkedRedis } from './redis-nodes.ts'
import type { EntryHeader, WalkOptions } from './store.ts'

export interface RedisWalkOptions {
  readonly open: () => WalkedRedis | Promise<WalkedRedis>
  readonly prefix: string
  /** Milliseconds, of any origin. */
  readonly now: () => number
  readonly pause: (ms: number, options: WalkOptions) => Promise<unknown>
  /** Milliseconds that Redis may take for the commands of one step before it counts as failed. */
  readonly answerMs: number
}

export const WALK_DEFAULTS: Omit<RedisWalkOptions, 'open' | 'prefix'> = {
  now: () => performance.now(),
  pause: (ms, options) => sleep(ms, undefined, options),
  answerMs: 10_000
}

/** As much as a batch reads, judges and removes. */
export const COUNT = 100
/** Rest for each millisecond of work: a duty of 25 %. */
const REST = 3
const LONGEST_REST_MS = 5000
/** A Cluster takes some seconds to replace a master. */
const RETRY_MS = [1000, 2000, 4000]
/** Most headers end before; a longer one costs a second read. */
const FIRST_READ = 1024
/** A header that says it is longer is left to its time to live: it would take long to read. */
const LONGEST_HEADER = 256 * 1024

/** One command for one key. */
type Command<T> = (redis: WalkedRedis, item: T) => Promise<unknown>

/** Redis did not do what it was asked to; on a Cluster another master may. */
export class Unanswered {
  readonly fault: unknown
  constructor (fault: unknown) {
    this.fault = fault
  }
}

/** Gives the keys under the prefix to a task. Rejects with the fault of Redis or of the task, or the reason of the signal. */
export async function overKeys<T> (options: RedisWalkOptions, signal: AbortSignal | undefined, task: (walk: Walk) => Promise<T>): Promise<T> {
  signal?.throwIfAborted()
  const walk = new Walk(options, signal)
  try {
    await walk.start()
    return await task(walk)
  } catch (fault) {
    throw fault instanceof Unanswered ? fault.fault : fault
  }
}

/** One way over keys under the prefix. */
export class Walk {
  readonly #options: RedisWalkOptions
  readonly #signal: AbortSignal | undefined
  #nodes!: RedisNodes
  #addedBytes = 0
  /** As it is in Redis, with its colon. */
  #prefix!: Buffer

  constructor (options: RedisWalkOptions, signal: AbortSignal | undefined) {
    this.#options = options
    this.#signal = signal
  }

  async start (): Promise<void> {
    this.#nodes = new RedisNodes(await this.#answered(async () => await this.#options.open()))
    const prefix = `${this.#options.prefix}:`
    this.#prefix = await this.#answered(() => this.#nodes.fullName(prefix))
    this.#addedBytes = await this.#answered(() => this.#nodes.addedBytes(prefix))
  }

  idOf (key: Buffer): string {
    return key.toString('utf8', this.#prefix.length)
  }

  /** What a client that puts something before every key has to be told. */
  nameOf (key: Buffer): Buffer {
    return key.subarray(this.#addedBytes)
  }

  /** The masters, as known now. */
  nodes (): RedisNode[] {
    return this.#nodes.list()
  }

  /** Some keys of a master whose ids begin with `head`, each once. */
  async scan (node: RedisNode, { cursor, head, count }: { cursor: string, head: string, count: number }): Promise<{ cursor: string, keys: Buffer[] }> {
    const match = Buffer.concat([escaped(this.#prefix), escaped(Buffer.from(head)), Buffer.from('*')])
    const found = await this.#answered(() => node.scan(cursor, match, count))
    // A page may name a key twice.
    return { cursor: found.cursor, keys: [...new Map(found.keys.map((key) => [key.toString('latin1'), key])).values()] }
  }

  /** How many keys there are, under whatever prefix. */
  async size (): Promise<number> {
    const sizes = await this.#answered(() => Promise.all(this.nodes().map((node) => node.size())))
    return sizes.reduce((sum, size) => sum + size, 0)
  }

  /** Sends one command for each; a fault of one leaves the others alone. */
  async each<T> (items: readonly T[], command: Command<T>): Promise<Array<PromiseSettledResult<unknown>>> {
    try {
      return await this.#answered(() => this.#nodes.use((redis) => Promise.allSettled(items.map((item) => command(redis, item)))))
    } catch (fault) {
      return items.map(() => ({ status: 'rejected', reason: fault instanceof Unanswered ? fault.fault : fault }))
    }
  }

  /** Every master that there is; one that took over meanwhile is among those asked for next. */
  async allNodes (head: string, visit: (keys: Buffer[]) => Promise<void>): Promise<void> {
    const walked = new Set<string>()
    const failures = new Map<string, number>()
    const failuresOf = ({ name }: RedisNode): number => failures.get(name) ?? 0
    for (;;) {
      const left = this.nodes().filter(({ name }) => !walked.has(name)).sort((a, b) => failuresOf(a) - failuresOf(b))
      const node = left[0]
      if (node === undefined) return
      try {
        await this.#node(node, head, visit)
        walked.add(node.name)
      } catch (fault) {
        this.#signal?.throwIfAborted()
        const retryMs = RETRY_MS[failuresOf(node)]
        if (!(fault instanceof Unanswered) || !this.#nodes.isCluster || retryMs === undefined) throw fault
        failures.set(node.name, failuresOf(node) + 1)
        // The others first; to wait is of use only for the last one.
        if (left.length === 1 || failuresOf(left[1]!) > 0) await this.#rest(retryMs)
      }
    }
  }

  async #node (node: RedisNode, head: string, visit: (keys: Buffer[]) => Promise<void>): Promise<void> {
    const { now } = this.#options
    let cursor = '0'
    do {
      const beganAt = now()
      const found = await this.scan(node, { cursor, head, count: COUNT })
      if (found.keys.length > 0) await visit(found.keys)
      cursor = found.cursor
      await this.#rest(Math.min(REST * (now() - beganAt), LONGEST_REST_MS))
    } while (cursor !== '0')
  }

  async #rest (ms: number): Promise<void> {
    await unlessAborted(this.#options.pause(ms, { signal: this.#signal }), this.#signal)
  }

  async #answered<T> (ask: () => Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const { answerMs } = this.#options
    try {
      this.#signal?.throwIfAborted()
      return await unlessAborted(Promise.race([ask(), new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => { reject(new Error(`Redis did not answer within ${answerMs} ms`)) }, answerMs)
      })]), this.#signal)
    } catch (fault) {
      this.#signal?.throwIfAborted()
      throw new Unanswered(fault)
    } finally {
      clearTimeout(timer)
    }
  }
}

/** Also while Redis is silent: who waits is let go. */
async function unlessAborted<T> (promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise
  let stop: (() => void) | undefined
  try {
    return await Promise.race([promise, new Promise<never>((_resolve, reject) => {
      stop = () => { reject(signal.reason) }
      signal.addEventListener('abort', stop)
      if (signal.aborted) stop()
    })])
  } finally {
    signal.removeEventListener('abort', stop!)
  }
}

/** An entry without its body. */
export interface FoundHeader {
  readonly key: Buffer
  readonly preamble: Buffer
  readonly header: EntryHeader
}

/** Whether it is an entry under this prefix, and not one of an app whose prefix begins with this one. */
export function isOwn (walk: Walk, { key, header }: FoundHeader): boolean {
  return !isOfLongerPrefix(walk.idOf(key), header.key)
}

/** The headers of those that are entries. */
export async function readHeaders (walk: Walk, keys: readonly Buffer[]): Promise<FoundHeader[]> {
  const starts = await readStarts(walk, keys.map((key) => ({ key, length: FIRST_READ })))
  const long = starts.map(({ key, start }) => ({ key, length: headerEnd(start) ?? 0 }))
    .filter(({ length }) => length > FIRST_READ && length <= LONGEST_HEADER)
  const all = long.length === 0 ? starts : [...starts, ...await readStarts(walk, long)]
  return all.flatMap(({ key, start }) => {
    const header = decodeHeader(start) as EntryHeader | undefined // one of the three kinds, or it would be undefined
    return header === undefined ? [] : [{ key, header, preamble: start.subarray(0, PREAMBLE_BYTES) }]
  })
}

async function readStarts (walk: Walk, asked: ReadonlyArray<{ key: Buffer, length: number }>): Promise<Array<{ key: Buffer, start: Buffer }>> {
  const outcomes = await walk.each(asked, (redis, { key, length }) => redis.getRange(walk.nameOf(key), 0, length - 1))
  throwFaultOf(outcomes.filter((outcome) => !isForeign(outcome)))
  return outcomes.flatMap((outcome, at) => outcome.status === 'fulfilled' ? [{ key: asked[at]!.key, start: outcome.value as Buffer }] : [])
}

export function isForeign (outcome: PromiseSettledResult<unknown>): boolean {
  return outcome.status === 'rejected' && outcome.reason instanceof Error && outcome.reason.message.startsWith('WRONGTYPE')
}

export function throwFaultOf (outcomes: ReadonlyArray<PromiseSettledResult<unknown>>): void {
  const failed = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failed !== undefined) throw new Unanswered(failed.reason)
}

/** For MATCH, byte by byte: a name in Redis need not be text. */
function escaped (name: Buffer): Buffer {
  return Buffer.from(name.toString('latin1').replace(/[*?[\]\\]/g, '\\$&'), 'latin1')
}
