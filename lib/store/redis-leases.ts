import { randomBytes } from 'node:crypto'
import { inTime, LONGEST_TIMER_MS } from '../deadline.ts'
import { RenewedLease, type FillOutcome, type Lease, type LeaseAnswer, type LeaseOptions, type Leases } from '../leases.ts'
import { Wait } from './lease-wait.ts'
import type { ConnectedRedis } from './redis-client.ts'
import { isRefusal, listen } from './redis-subscription.ts'
import type { MaybePromise } from './store.ts'

/*
 * Leases that all processes share: one string each under `<prefix>:lease:<name>`, with a time to live, `<state>:<token>:<how>`:
 *
 *   h   held by the process that made the token
 *   w   the same, and somebody waits for its end
 *   e   ended while somebody waited: kept for as long as those may take to ask, so that they learn how, whatever messages they miss
 *   r   nobody gets it before its time is over
 *
 * The token ends with the milliseconds that it was given, but for what has ended: what has more left than that was given it by a clock that
 * was set back since, and is over, as nobody knows when it would be.
 *
 * Its end is told by a message that says the name and nothing else: who waits asks again. So nothing is believed because of a message;
 * a forged one costs one more question, and a lost one is made up for by asking again when the lease would be over. What is under the
 * key and none of these, or has no time to live, is nobody's and is replaced. A lease that Redis loses costs a second run.
 */

/** Without messages the lease is asked for this often. */
const POLL_MS = 5
/** With them it is asked for as well, but seldom: a Cluster or Sentinel client does not tell when it does not hear them. */
const ASK_AGAIN_MS = 200
/** How much longer than a lease its end is remembered: for those who come late to ask. */
const ENDED_MS = 1000

const READ = `
local value = redis.pcall('GET', KEYS[1])
local state, token, how
if type(value) == 'string' then state, token, how = string.match(value, '^([hwer]):([%w_-]+):(%a*)$') end
local left = state and redis.call('PTTL', KEYS[1]) or -1
if left < 0 or (state ~= 'e' and left > (tonumber(string.match(token, '%d+$')) or 0)) then state, token = '', '' end
local isHeld = state == 'h' or state == 'w'
`

/** `seen`: the token of the holder that the caller waits for, or nothing: only who has waited hears how a lease has ended. */
const ACQUIRE_SCRIPT = `${READ}
local own, leaseMs, seen, isWaiting = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1'
if seen ~= '' and (state == 'e' or state == 'r') then return { 'ended', how, 0 } end
if state == 'r' then return { 'resting', '', left } end
if not isHeld then
  redis.call('SET', KEYS[1], 'h:' .. own .. ':', 'PX', leaseMs)
  return { 'granted', own, 0 }
end
if state == 'h' and isWaiting then redis.call('SET', KEYS[1], 'w:' .. token .. ':', 'KEEPTTL') end
return { 'held', token, left }
`

/** What has run out while its holder was away is its own again unless somebody else has it, or had it just now. */
const RENEW_SCRIPT = `${READ}
local own, leaseMs = ARGV[1], ARGV[2]
if state == '' then redis.call('SET', KEYS[1], 'h:' .. own .. ':', 'PX', leaseMs)
elseif not isHeld or token ~= own then return 0
else redis.call('PEXPIRE', KEYS[1], leaseMs) end
return 1
`

/**
 * A message that Redis refuses to send, for an ACL, must not keep the lease: who does not hear of its end asks, and the caller hears that it
 * was not told. `DEL` comes first: what follows a write is taken also when the memory is full.
 */
const RELEASE_SCRIPT = `${READ}
local own, outcome, restMs, endedMs, channel, name = unpack(ARGV)
if not isHeld or token ~= own then return '' end
redis.call('DEL', KEYS[1])
if tonumber(restMs) > 0 then redis.call('SET', KEYS[1], 'r:' .. own .. '-' .. restMs .. ':' .. outcome, 'PX', restMs)
elseif state == 'w' and outcome ~= 'unused' then redis.call('SET', KEYS[1], 'e:' .. own .. ':' .. outcome, 'PX', endedMs) end
local told = state == 'w' and redis.pcall('PUBLISH', channel, name)
return type(told) == 'table' and told.err or ''
`

export interface RedisLeasesOptions {
  readonly prefix: string
  readonly open: () => MaybePromise<ConnectedRedis>
  /** How long one command may take, in milliseconds. */
  readonly commandMs: number
  /** Ends the subscription and all waits. */
  readonly closed: AbortSignal
  /** Gets what makes the connection of the subscription anew. */
  readonly renewals?: Set<() => Promise<void>>
  /** Hears why ends of leases cannot be heard of or told, once each. Default: nobody does. */
  readonly onRefused?: ((what: 'hear' | 'tell', fault: unknown) => void) | undefined
}

interface Held {
  readonly outcome: 'granted' | 'held'
  readonly token: string
  readonly leftMs: number
}

type Answer =
  | Held
  | { readonly outcome: 'ended', readonly how: FillOutcome }
  | { readonly outcome: 'resting', readonly forMs: number }

type Reply = readonly [outcome: 'granted' | 'held' | 'ended' | 'resting', text: string, leftMs: number]

const OUTCOMES: readonly unknown[] = ['granted', 'held', 'ended', 'resting']

/** What is damaged on its way is a fault like any other, and no time to wait for. */
function replyOf (reply: unknown): Reply {
  const [outcome, text, left] = Array.isArray(reply) ? reply as unknown[] : []
  const leftMs = Number(left)
  if (!OUTCOMES.includes(outcome) || typeof text !== 'string' || !(leftMs >= 0 && leftMs < LONGEST_TIMER_MS)) throw new TypeError('Redis answered with something else than a lease')
  return [outcome as Reply[0], text, leftMs]
}

export class RedisLeases implements Leases {
  readonly #options: RedisLeasesOptions
  readonly #channel: string
  readonly #by = randomBytes(9).toString('base64url')
  readonly #waits = new Map<string, Wait>()
  #made = 0
  #isListening = false
  #isUp = false
  readonly #refused = new Set<'hear' | 'tell'>()

  constructor (options: RedisLeasesOptions) {
    this.#options = options
    this.#channel = `${options.prefix}:leases`
    options.closed.addEventListener('abort', () => {
      for (const wait of this.#waits.values()) wait.endAll({ outcome: 'held' })
    }, { once: true })
  }

  async acquire (name: string, { leaseMs, waitMs, signal }: LeaseOptions): Promise<LeaseAnswer> {
    // As it comes back in messages.
    const known = name.toWellFormed()
    if (waitMs > 0 && signal?.aborted !== true && !this.#options.closed.aborted) return await this.#wait(known, leaseMs).join(waitMs, signal)
    const answer = await this.#ask(known, { leaseMs })
    if (answer.outcome === 'ended' || answer.outcome === 'resting') return answer
    return answer.outcome === 'held' ? { outcome: 'held' } : { outcome: 'granted', lease: this.#lease(known, leaseMs, answer) }
  }

  /** Callers who wait for the same lease ask once for all of them. */
  #wait (name: string, leaseMs: number): Wait {
    const waiting = this.#waits.get(name)
    if (waiting !== undefined) return waiting
    const wait = new Wait(() => { if (this.#waits.get(name) === wait) this.#waits.delete(name) })
    this.#waits.set(name, wait)
    void this.#run(wait, name, leaseMs)
    return wait
  }

  /** Never rejects. */
  async #run (wait: Wait, name: string, leaseMs: number): Promise<void> {
    let seen = ''
    try {
      while (!wait.isOver) {
        wait.isStirred = false
        const answer = await this.#ask(name, { leaseMs, seen, isWaiting: true })
        if (answer.outcome === 'ended' || answer.outcome === 'resting') return wait.endAll(answer)
        seen = answer.token
        if (answer.outcome === 'granted') {
          if (wait.isOver) await this.#release(name, { token: seen, how: 'unused', leaseMs })
          else wait.endOne({ outcome: 'granted', lease: this.#lease(name, leaseMs, answer) })
        } else {
          this.#listen()
          await wait.pause(Math.min(answer.leftMs + 1, this.#isUp ? ASK_AGAIN_MS : POLL_MS))
        }
      }
    } catch (fault) {
      wait.failAll(fault)
    }
  }

  async #ask (name: string, { leaseMs, seen = '', isWaiting = false }: { leaseMs: number, seen?: string, isWaiting?: boolean }): Promise<Answer> {
    const givenMs = Math.ceil(leaseMs)
    const own = `${this.#by}-${++this.#made}-${givenMs}`
    const asked = this.#eval(ACQUIRE_SCRIPT, name, [own, String(givenMs), seen, isWaiting ? '1' : '0']).then(replyOf)
    try {
      const [outcome, text, leftMs] = await inTime(this.#options.commandMs, asked)
      if (outcome === 'ended') return { outcome, how: text as FillOutcome }
      if (outcome === 'resting') return { outcome, forMs: leftMs }
      return { outcome, token: text, leftMs }
    } catch (fault) {
      this.#giveBack(name, leaseMs, asked)
      throw fault
    }
  }

  /** What is granted too late has no holder: somebody else gets it at once, not after its time. */
  #giveBack (name: string, leaseMs: number, asked: Promise<Reply>): void {
    asked.then(([outcome, token]) => {
      if (outcome === 'granted') void this.#release(name, { token, how: 'unused', leaseMs })
    }, () => { /* the caller has heard of it, or of its lateness */ })
  }

  #lease (name: string, leaseMs: number, { token }: { token: string }): Lease {
    const { commandMs } = this.#options
    const renew = async (): Promise<boolean> => Number(await inTime(commandMs, this.#eval(RENEW_SCRIPT, name, [token, String(Math.ceil(leaseMs))]), { idle: true })) === 1
    return new RenewedLease({ leaseMs, renew, release: (how, restMs) => this.#release(name, { token, how, leaseMs, restMs }) })
  }

  /** Never rejects: a lease that Redis does not hear the end of runs out by itself. `unused`: nobody did anything with it, so who waits may have it. */
  async #release (name: string, { token, how, leaseMs, restMs = 0 }: { token: string, how: FillOutcome | 'unused', leaseMs: number, restMs?: number | undefined }): Promise<void> {
    const args = [token, how, String(Math.ceil(restMs)), String(Math.ceil(leaseMs) + ENDED_MS), this.#channel, name]
    const untold = await inTime(this.#options.commandMs, this.#eval(RELEASE_SCRIPT, name, args)).catch(() => '' /* see above */)
    if (untold !== '') this.#refuse('tell', new Error(String(untold)))
  }

  async #eval (script: string, name: string, args: string[]): Promise<unknown> {
    return await (await this.#options.open()).eval(script, { keys: [`${this.#options.prefix}:lease:${name}`], arguments: args })
  }

  #refuse (what: 'hear' | 'tell', fault: unknown): void {
    if (this.#refused.has(what)) return
    this.#refused.add(what)
    this.#options.onRefused?.(what, fault)
  }

  /** From the first wait on: a process that never waits needs no second connection. */
  #listen (): void {
    if (this.#isListening) return
    this.#isListening = true
    const turned = (isUp: boolean): void => {
      this.#isUp = isUp
      // What ended meanwhile was not heard.
      for (const wait of this.#waits.values()) wait.stir()
    }
    const listener = {
      onMessage: (name: string) => { this.#waits.get(name)?.stir() },
      onUp: () => { turned(true) },
      onDown: (fault: unknown) => {
        if (isRefusal(fault)) this.#refuse('hear', fault)
        turned(false)
      }
    }
    const subscribe = async (): Promise<void> => { await listen(await this.#options.open(), this.#channel, { listener, ...this.#options }) }
    subscribe().catch(() => {
      this.#isListening = false
      turned(false)
    })
  }
}
