import { setTimeout as sleep } from 'node:timers/promises'
import { isValueId } from '../cache-key.ts'
import { globMatches } from '../marks/glob.ts'
import type { Labelled } from '../marks/ledger.ts'
import { decodeHeader, headerEnd, PREAMBLE_BYTES } from '../stored-entry.ts'
import { RedisNodes, type RedisNode, type WalkedRedis } from './redis-nodes.ts'
import type { DeleteValuesOptions, IsDead, Swept, WalkOptions } from './store.ts'

/*
 * Gives back the memory of what nobody needs any more, behind the traffic: every command is short (SCAN of a few keys, one key in
 * every other command), one master is walked at a time, and after each batch the walk rests three times as long as the batch took.
 *
 * It keeps the promise of SCAN: a key that is there from the beginning to the end is met, perhaps more than once. What moves to
 * another master of a Cluster meanwhile may be left to the next walk; so may anything, when another server takes over from the one
 * that is walked and the client hides it. A master of a Cluster that fails is walked again from its beginning, after the others.
 */

export interface RedisSweepOptions {
  readonly open: () => WalkedRedis | Promise<WalkedRedis>
  readonly prefix: string
  /** Milliseconds, of any origin. */
  readonly now?: () => number
  readonly pause?: (ms: number, options: WalkOptions) => Promise<unknown>
  /** Milliseconds that Redis may take for the commands of one step before it counts as failed. Default: 10 s. */
  readonly answerMs?: number
}

/** As much as a batch reads, judges and removes. */
const COUNT = 100
/** Rest for each millisecond of work: a duty of 25 %. */
const REST = 3
const LONGEST_REST_MS = 5000
/** A Cluster takes some seconds to replace a master. */
const RETRY_MS = [1000, 2000, 4000]
/** Most headers end before; a longer one costs a second read. */
const FIRST_READ = 1024
/** A header that says it is longer is left to its time to live: it would take long to read. */
const LONGEST_HEADER = 256 * 1024

/** The preamble holds a checksum of all that follows: with the same one it is the same entry. */
const REMOVE_SCRIPT = `
if redis.pcall('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) == ARGV[1] then return redis.call('UNLINK', KEYS[1]) end
return 0`

/** One command for one key. */
type Command<T> = (redis: WalkedRedis, item: T) => Promise<unknown>

/** Redis did not do what it was asked to; on a Cluster another master may. */
class Unanswered {
  readonly fault: unknown
  constructor (fault: unknown) {
    this.fault = fault
  }
}

export class RedisSweep {
  readonly #options: Required<RedisSweepOptions>

  constructor ({ now = () => performance.now(), pause = (ms, options) => sleep(ms, undefined, options), answerMs = 10_000, ...own }: RedisSweepOptions) {
    this.#options = { now, pause, answerMs, ...own }
  }

  /**
   * Removes the values of the client whose keys match a glob; gives the number that Redis confirmed. Rejects with the fault of
   * Redis or of `onRemoved`, or the reason of the signal: what was removed until then is gone.
   */
  async deleteValues (glob: string, { signal, onRemoved }: DeleteValuesOptions = {}): Promise<number> {
    const wanted = glob.toWellFormed()
    let removed = 0
    await this.#walk({ head: literalHead(wanted), signal }, async (walk, keys) => {
      const matching = keys.filter((key) => isValueId(walk.idOf(key)) && globMatches(wanted, walk.idOf(key)))
      if (matching.length === 0) return
      const outcomes = await walk.each(matching, (redis, key) => redis.unlink(walk.nameOf(key)))
      removed += outcomes.filter(isRemoved).length
      const gone = matching.filter((_key, at) => isRemoved(outcomes[at]!) || outcomes[at]!.status === 'rejected')
      if (gone.length > 0) await onRemoved?.(gone.map((key) => walk.idOf(key)))
      throwFaultOf(outcomes)
    })
    return removed
  }

  /**
   * Judges all entries by their headers and removes the dead ones. One that was replaced after it was judged stays, and so does
   * what is no entry. Rejects with the fault of Redis or the reason of the signal: what was removed until then is gone.
   */
  async sweep (isDead: IsDead, { signal }: WalkOptions = {}): Promise<Swept> {
    let scanned = 0
    let removed = 0
    await this.#walk({ head: '', signal }, async (walk, keys) => {
      const entries = await readHeaders(walk, keys)
      scanned += entries.length
      const dead = entries.filter(({ key, header }) => isDead(header, { id: walk.idOf(key) }))
      if (dead.length === 0) return
      const outcomes = await walk.each(dead, (redis, { key, preamble }) => redis.eval(REMOVE_SCRIPT, { keys: [walk.nameOf(key)], arguments: [preamble] }))
      removed += outcomes.filter(isRemoved).length
      throwFaultOf(outcomes)
    })
    return { scanned, removed }
  }

  /** `head`: how the ids to visit begin. */
  async #walk ({ head, signal }: { head: string, signal: AbortSignal | undefined }, visit: (walk: Walk, keys: Buffer[]) => Promise<void>): Promise<void> {
    signal?.throwIfAborted()
    const walk = new Walk(this.#options, signal)
    try {
      await walk.start()
      const match = Buffer.concat([escaped(walk.prefix), escaped(Buffer.from(head)), Buffer.from('*')])
      await walk.allNodes(match, (keys) => visit(walk, keys))
    } catch (fault) {
      throw fault instanceof Unanswered ? fault.fault : fault
    }
  }
}

/** One way over all keys under the prefix. */
class Walk {
  readonly #options: Required<RedisSweepOptions>
  readonly #signal: AbortSignal | undefined
  #nodes!: RedisNodes
  #addedBytes = 0
  /** As it is in Redis, with its colon. */
  prefix!: Buffer

  constructor (options: Required<RedisSweepOptions>, signal: AbortSignal | undefined) {
    this.#options = options
    this.#signal = signal
  }

  async start (): Promise<void> {
    this.#nodes = new RedisNodes(await this.#answered(async () => await this.#options.open()))
    const prefix = `${this.#options.prefix}:`
    this.prefix = await this.#answered(() => this.#nodes.fullName(prefix))
    this.#addedBytes = await this.#answered(() => this.#nodes.addedBytes(prefix))
  }

  idOf (key: Buffer): string {
    return key.toString('utf8', this.prefix.length)
  }

  /** What a client that puts something before every key has to be told. */
  nameOf (key: Buffer): Buffer {
    return key.subarray(this.#addedBytes)
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
  async allNodes (match: Buffer, visit: (keys: Buffer[]) => Promise<void>): Promise<void> {
    const walked = new Set<string>()
    const failures = new Map<string, number>()
    const failuresOf = ({ name }: RedisNode): number => failures.get(name) ?? 0
    for (;;) {
      const left = this.#nodes.list().filter(({ name }) => !walked.has(name)).sort((a, b) => failuresOf(a) - failuresOf(b))
      const node = left[0]
      if (node === undefined) return
      try {
        await this.#node(node, match, visit)
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

  async #node (node: RedisNode, match: Buffer, visit: (keys: Buffer[]) => Promise<void>): Promise<void> {
    const { now } = this.#options
    let cursor = '0'
    do {
      const beganAt = now()
      const found = await this.#answered(() => node.scan(cursor, match, COUNT))
      // A page may name a key twice.
      const keys = new Map(found.keys.map((key) => [key.toString('latin1'), key]))
      if (keys.size > 0) await visit([...keys.values()])
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

interface Judged {
  readonly key: Buffer
  readonly preamble: Buffer
  readonly header: Labelled
}

/** The headers of those that are entries. */
async function readHeaders (walk: Walk, keys: readonly Buffer[]): Promise<Judged[]> {
  const starts = await readStarts(walk, keys.map((key) => ({ key, length: FIRST_READ })))
  const long = starts.map(({ key, start }) => ({ key, length: headerEnd(start) ?? 0 }))
    .filter(({ length }) => length > FIRST_READ && length <= LONGEST_HEADER)
  const all = long.length === 0 ? starts : [...starts, ...await readStarts(walk, long)]
  return all.flatMap(({ key, start }) => {
    const header = decodeHeader(start)
    return header === undefined ? [] : [{ key, header, preamble: start.subarray(0, PREAMBLE_BYTES) }]
  })
}

async function readStarts (walk: Walk, asked: ReadonlyArray<{ key: Buffer, length: number }>): Promise<Array<{ key: Buffer, start: Buffer }>> {
  const outcomes = await walk.each(asked, (redis, { key, length }) => redis.getRange(walk.nameOf(key), 0, length - 1))
  throwFaultOf(outcomes.filter((outcome) => !isForeign(outcome)))
  return outcomes.flatMap((outcome, at) => outcome.status === 'fulfilled' ? [{ key: asked[at]!.key, start: outcome.value as Buffer }] : [])
}

function isForeign (outcome: PromiseSettledResult<unknown>): boolean {
  return outcome.status === 'rejected' && outcome.reason instanceof Error && outcome.reason.message.startsWith('WRONGTYPE')
}

function isRemoved (outcome: PromiseSettledResult<unknown>): boolean {
  return outcome.status === 'fulfilled' && Number(outcome.value) > 0
}

function throwFaultOf (outcomes: ReadonlyArray<PromiseSettledResult<unknown>>): void {
  const failed = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failed !== undefined) throw new Unanswered(failed.reason)
}

/** What stands before the first wildcard: all that SCAN is to match, since it knows other wildcards, and counts bytes. */
function literalHead (glob: string): string {
  let head = ''
  for (let at = 0; at < glob.length && glob[at] !== '*' && glob[at] !== '?'; at++) {
    if (glob[at] === '\\' && at + 1 < glob.length) at++
    head += glob[at]
  }
  return head
}

/** For MATCH, byte by byte: a name in Redis need not be text. */
function escaped (name: Buffer): Buffer {
  return Buffer.from(name.toString('latin1').replace(/[*?[\]\\]/g, '\\$&'), 'latin1')
}
