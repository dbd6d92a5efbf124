import { once } from 'node:events'
import { Agent, createServer, request, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { MAX_BLIND_MS, THINGS, type Answer } from './settings.ts'

export interface Target {
  readonly name: string
  readonly port: number
  readonly memory: boolean
}

/** What the requests of all clients came to. */
export interface Counts {
  requests: number
  /** By what `X-Cache` said; without it for what is not a cached route. */
  readonly outcomes: Record<string, number>
  /** What no client should see. */
  errors: number
  wrong: number
  staleAsFresh: number
  confirmed: number
  /** Invalidations that were refused, so that nothing was promised. */
  unconfirmed: number
  slowestMs: number
  /** The first of what went wrong. */
  readonly details: string[]
}

export interface LoadOptions {
  readonly targets: readonly Target[]
  readonly origin: Origin
  readonly random: () => number
  readonly clients: number
  /** So many are asked for, of those that there are. */
  readonly things: number
  /** Of each client, in milliseconds. */
  readonly pauseMs: number
  readonly ended: AbortSignal
}

const KINDS = ['thing', 'thing', 'user', 'vary', 'swr', 'stream', 'function', 'value'] as const
/** One of so many requests changes a thing. */
const CHANGES = 25
const MOST_DETAILS = 20
/** Beyond what is promised: that the machine is busy is no fault of the cache. */
const SLACK_MS = 500

/** How things are. What was confirmed to be invalidated, and when: nothing older may be fresh from then on. */
export interface Origin {
  readonly port: number
  readonly revisions: number[]
  close (): Promise<void>
}

/** Where the handlers ask. It is not in Redis, so that faults of Redis do not change how things are. */
export async function startOrigin (): Promise<Origin> {
  const revisions = Array.from({ length: THINGS }, () => 0)
  const server: Server = createServer((request, response) => { response.end(String(revisions[Number(request.url!.slice(1))])) })
  server.keepAliveTimeout = 0 // or a request could be sent on a connection that is just being ended
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    revisions,
    async close () {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    }
  }
}

/** Sends requests until the end. */
export class Load {
  readonly counts: Counts = { requests: 0, outcomes: {}, errors: 0, wrong: 0, staleAsFresh: 0, confirmed: 0, unconfirmed: 0, slowestMs: 0, details: [] }
  readonly #options: LoadOptions
  readonly #agent = new Agent({ keepAlive: true })
  /** By thing, the latest last. */
  readonly #confirmed: Array<Array<{ readonly revision: number, readonly at: number }>> = Array.from({ length: THINGS }, () => [{ revision: 0, at: 0 }])

  constructor (options: LoadOptions) {
    this.#options = options
  }

  async run (): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.clients }, () => this.#client()))
    this.#agent.destroy()
  }

  async #client (): Promise<void> {
    const { ended, random, pauseMs, targets, things } = this.#options
    while (!ended.aborted) {
      const target = targets[Math.floor(random() * targets.length)]!
      // Small numbers more often.
      const id = Math.floor(things * random() ** 2)
      if (random() < 1 / CHANGES) await this.#change(target, id)
      else await this.#look(target, id)
      await sleep(2 * pauseMs * random())
    }
  }

  async #change (target: Target, id: number): Promise<void> {
    const { origin, random } = this.#options
    const revision = ++origin.revisions[id]!
    try {
      const { status } = await this.#send(target, 'POST', `${random() < 0.2 ? 'publish' : 'invalidate'}/${id}`)
      if (status === 503) this.counts.unconfirmed++
      else if (status !== 200) this.#error(`${target.name} answered an invalidation with ${status}`)
      else {
        this.counts.confirmed++
        const confirmed = this.#confirmed[id]!
        confirmed.push({ revision, at: performance.now() })
        if (confirmed.length > 50) confirmed.shift()
      }
    } catch (fault) {
      this.#error(`${target.name} did not answer an invalidation: ${String(fault)}`)
    }
  }

  async #look (target: Target, id: number): Promise<void> {
    const { random } = this.#options
    const path = `${KINDS[Math.floor(random() * KINDS.length)]!}/${id}`
    const [user, language] = [`u${Math.floor(random() * 3)}`, random() < 0.5 ? 'de' : 'en']
    const sentAt = performance.now()
    try {
      const { status, outcome, body } = await this.#send(target, 'GET', path, { ...path.startsWith('user') ? { 'x-user': user } : {}, 'accept-language': language })
      this.counts.outcomes[outcome] = (this.counts.outcomes[outcome] ?? 0) + 1
      if (status !== 200) return this.#error(`${target.name} ${path}: ${status} ${body.slice(0, 200)}`)
      const answer = JSON.parse(body) as Answer
      if (answer.path !== path || answer.user !== (path.startsWith('user') ? user : null) || answer.language !== (path.startsWith('vary') ? language : null)) {
        this.counts.wrong++
        return this.#note(`${target.name} ${path} for ${user} in ${language}: ${body.slice(0, 200)}`)
      }
      const least = this.#leastRevision(target, id, sentAt)
      if (outcome === 'STALE' || answer.revision >= least) return
      this.counts.staleAsFresh++
      this.#note(`${target.name} ${path}: ${outcome} with revision ${answer.revision}, at least ${least} was confirmed before`)
    } catch (fault) {
      this.#error(`${target.name} ${path}: ${String(fault)}`)
    }
  }

  /** What was confirmed before the request; where there are copies, so long before that this process has to have heard of it. */
  #leastRevision ({ memory }: Target, id: number, sentAt: number): number {
    const before = memory ? sentAt - MAX_BLIND_MS - SLACK_MS : sentAt
    return Math.max(0, ...this.#confirmed[id]!.filter(({ at }) => at < before).map(({ revision }) => revision))
  }

  async #send ({ port }: Target, method: string, path: string, headers: Record<string, string> = {}): Promise<{ status: number, outcome: string, body: string }> {
    const sentAt = performance.now()
    const sent = request({ host: '127.0.0.1', port, method, path: `/${path}`, agent: this.#agent, headers: { host: 'things.example', ...headers }, signal: AbortSignal.timeout(30_000) }).end()
    const [response] = await once(sent, 'response') as [IncomingMessage]
    const body = await text(response)
    this.counts.requests++
    this.counts.slowestMs = Math.max(this.counts.slowestMs, performance.now() - sentAt)
    return { status: response.statusCode!, outcome: String(response.headers['x-cache'] ?? 'no cached route'), body }
  }

  #error (detail: string): void {
    this.counts.errors++
    this.#note(detail)
  }

  #note (detail: string): void {
    if (this.counts.details.length < MOST_DETAILS) this.counts.details.push(detail)
  }
}
