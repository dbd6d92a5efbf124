import { setTimeout as sleep } from 'node:timers/promises'
import { now } from '../../test/herd/settings.ts'
import type { RouteCacheOptions } from '../../lib/index.ts'
import type { Figure, Ground } from './figure.ts'
import { withFleet, type Client, type Fleet } from './fleet.ts'
import { DISTRIBUTION, distribution } from './latencies.ts'
import type { Answer } from './requests.ts'

export interface KilledSettings {
  readonly processes: number
  readonly requests: number
  readonly handlerMs: number
  /** How long the leader has been in its handler when it is killed. */
  readonly killAfterMs: number
  readonly rounds: number
  readonly cache: RouteCacheOptions
}

export interface KilledRound {
  readonly runs: number
  /** Answers of the processes that live on that are no success. */
  readonly errors: readonly Answer[]
  /** From the death of the leader to the answers that came after it, of the processes that live on. */
  readonly ms: readonly number[]
  /** Requests that had no answer when their process was killed. */
  readonly lost: number
}

const MARGIN_MS = 50

/** The process in which the handler runs is killed while all others wait for it. */
export async function killedRounds (ground: Ground, settings: KilledSettings): Promise<KilledRound[]> {
  const { processes, handlerMs, cache, rounds } = settings
  return await withFleet({ ...ground, processes, handlerMs, cache }, async (fleet, client) => {
    const all: KilledRound[] = []
    for (let i = 0; i < rounds; i++) {
      // Those that take the place of the killed ones have compiled nothing yet.
      await client.burst({ requests: Array.from({ length: settings.requests }, (_, at) => ({ port: fleet.ports[at % processes]!, path: `/thing/warm-up-${i}` })) })
      all.push(await round(fleet, client, { ...settings, path: `/thing/killed-${i}`, last: i === rounds - 1 }))
    }
    return all
  })
}

async function round (fleet: Fleet, client: Client, { requests, killAfterMs, path, last }: KilledSettings & { path: string, last: boolean }): Promise<KilledRound> {
  const { ports } = fleet
  const begun = fleet.nextRun()
  const answering = client.burst({ requests: Array.from({ length: requests }, (_, at) => ({ port: ports[at % ports.length]!, path })) })
  const { server, at } = await begun
  await sleep(at + killAfterMs - now())
  const killedAt = now()
  await (last ? server.child.kill() : fleet.replace(server))
  const answers = await answering
  const others = answers.filter(({ port }) => port !== server.port)
  return {
    runs: fleet.runsOf(path).length,
    errors: others.filter(({ status }) => status !== 200),
    ms: others.map((answer) => answer.at - killedAt),
    lost: answers.filter(({ port, status }) => port === server.port && status === 0).length
  }
}

export async function killedFigure (ground: Ground, { rounds = 5 } = {}): Promise<Figure> {
  const settings = { processes: 4, requests: 400, handlerMs: 500, killAfterMs: 250, rounds }
  const leaseMs = 2000
  const limit = leaseMs + settings.handlerMs + MARGIN_MS
  const figure: Figure = {
    title: `killed: the leader of ${settings.requests} requests is killed (SIGKILL) ${settings.killAfterMs} ms into its handler of ${settings.handlerMs} ms, 4 processes, lease ${leaseMs} ms, ${rounds} times`,
    headings: ['case', 'answered', 'errors', 'lost with the leader', 'handler runs', ...DISTRIBUTION, 'limit'],
    rows: [],
    notes: ['Milliseconds from the kill to the answers of the three other processes. The limit is a lease and a handler.'],
    broken: []
  }
  for (const [name, lock] of [['lock', { waitMs: 10_000, leaseMs }], ['lock: false', false]] as const) {
    const cache = { ttl: '1h', lock }
    const all = await killedRounds(ground, { ...settings, cache })
    const ms = all.flatMap((one) => one.ms)
    const errors = all.flatMap((one) => one.errors)
    figure.rows.push([
      name, String(ms.length - errors.length), String(errors.length), all.map(({ lost }) => lost).join(' '), all.map(({ runs }) => runs).join(' '),
      ...distribution(ms), String(limit)
    ])
    if (errors.length > 0) figure.broken.push(`${name}: ${errors.length} errors, the first: ${JSON.stringify(errors[0])}`)
    if (lock === false) continue
    if (all.some(({ runs }) => runs !== 2)) figure.broken.push(`${name}: the handler should have run twice each time`)
    if (Math.max(...ms) > limit) figure.broken.push(`${name}: the slowest answer came ${Math.max(...ms).toFixed(0)} ms after the kill, more than ${limit} ms`)
  }
  return figure
}
