import { setTimeout as sleep } from 'node:timers/promises'
import { startFaultyProxy } from '../helpers/faulty-proxy.ts'
import { startServer } from '../helpers/redis-server.ts'
import { generator } from '../marks/seeded.ts'
import type { Mark } from './chart.ts'
import { adminOf, faults, MAX_MEMORY, pause, type Victims } from './faults.ts'
import { startServerProcess, type Started } from './fleet.ts'
import { Load, startOrigin, type Counts } from './load.ts'
import { growth, type Line, type Sample } from './verdict.ts'

export interface SoakOptions {
  readonly seconds: number
  /** Which faults come, and when. */
  readonly seed: number
  readonly sampleMs: number
  readonly clients: number
  /** So many are asked for, `THINGS` at most. */
  readonly things: number
  readonly pauseMs: number
  /** Between two faults, on average. */
  readonly faultEveryMs: number
  readonly onSample?: (sample: Sample) => void
  readonly onFault?: (mark: Mark) => void
}

export interface SoakReport {
  readonly counts: Counts
  readonly samples: readonly Sample[]
  readonly marks: readonly Mark[]
  readonly lines: readonly Line[]
  readonly warnings: readonly string[]
  readonly unhandled: readonly string[]
  readonly exits: ReadonlyArray<number | null>
  /** What is not as it should be; nothing when all is well. */
  readonly problems: readonly string[]
}

const PREFIX = 'soak'
const SERVERS = [{ name: 'Redis', memory: false }, { name: 'tiered 1', memory: true }, { name: 'tiered 2', memory: true }]

/** Everything that it starts, it stops. */
export async function soak (options: SoakOptions): Promise<SoakReport> {
  const stack: Array<() => unknown> = []
  try {
    const server = await startServer({ args: ['--maxmemory', MAX_MEMORY, '--maxmemory-policy', 'noeviction'] })
    stack.push(server.dispose)
    const proxy = await startFaultyProxy({ port: server.port })
    stack.push(proxy.close)
    const admin = adminOf(server.url)
    admin.on('error', () => {}) // it is told when it asks
    await admin.connect()
    stack.push(() => { admin.destroy() })
    const origin = await startOrigin()
    stack.push(origin.close)
    const redis = `redis://127.0.0.1:${proxy.port}`
    const servers = await Promise.all(SERVERS.map(async (one) => await startServerProcess({ ...one, redis, prefix: PREFIX, originPort: origin.port })))
    stack.push(() => { for (const one of servers) one.kill() })
    const ending = new AbortController()
    const load = new Load({ targets: servers, origin, random: generator(options.seed + 1), clients: options.clients, things: options.things, pauseMs: options.pauseMs, ended: ending.signal })
    const marks: Mark[] = []
    const samples: Sample[] = []
    const beganAt = performance.now()
    const running = [load.run(), breakThings({ server, proxy, admin }, { ...options, marks, beganAt, ended: ending.signal }), takeSamples({ servers, admin }, { ...options, samples, beganAt, ended: ending.signal })]
    const failed = Promise.all(running) // a fault of the soak itself ends it
    await Promise.race([sleep(options.seconds * 1000), failed])
    ending.abort()
    await failed
    const exits = await Promise.all(servers.map((one) => one.stop()))
    return reportOf({ counts: load.counts, samples, marks, exits })
  } finally {
    for (const end of stack.reverse()) await end()
  }
}

interface Part {
  readonly beganAt: number
  readonly ended: AbortSignal
}

async function breakThings (victims: Victims, { seed, faultEveryMs, marks, beganAt, ended, onFault }: SoakOptions & Part & { marks: Mark[] }): Promise<void> {
  const random = generator(seed)
  const names = Object.keys(faults)
  await pause(faultEveryMs / 2, ended)
  while (!ended.aborted) {
    const name = names[Math.floor(random() * names.length)]!
    const ms = Math.round(200 + 2300 * random() ** 2)
    const mark = { at: performance.now() - beganAt, text: `${name}, ${ms} ms` }
    marks.push(mark)
    onFault?.(mark)
    await unlessAway(async () => { await faults[name]!(victims, ms, ended) })
    await pause(faultEveryMs * (0.5 + random()), ended)
  }
  await unlessAway(async () => { await victims.proxy.set({ kind: 'none' }) })
}

/** The connection for faults breaks with Redis, and is there again soon after. */
async function unlessAway (run: () => Promise<void>): Promise<void> {
  try {
    await run()
  } catch (fault) {
    if (!(fault instanceof Error) || !/offline|Socket closed|closed|ECONN/.test(fault.message)) throw fault
  }
}

async function takeSamples (
  { servers, admin }: { servers: readonly Started[], admin: Victims['admin'] }, { sampleMs, samples, beganAt, ended, onSample }: SoakOptions & Part & { samples: Sample[] }
): Promise<void> {
  while (!ended.aborted) {
    await pause(sampleMs, ended)
    const at = performance.now() - beganAt
    const [said, ofRedis] = await Promise.all([Promise.all(servers.map(async (one) => [one.name, await one.sample()] as const)), redisSample(admin)])
    const sample = { at, servers: Object.fromEntries(said.flatMap(([name, one]) => one === undefined ? [] : [[name, one]])), ...ofRedis }
    samples.push(sample)
    onSample?.(sample)
  }
}

/** Nothing while Redis does not answer. */
async function redisSample (admin: Victims['admin']): Promise<Pick<Sample, 'keys' | 'connections'>> {
  const asked = Promise.all([admin.dbSize(), admin.clientList()]).then(([keys, clients]) => ({ keys, connections: clients.length }), () => undefined)
  return await Promise.race([asked, sleep(1000)]) ?? { keys: undefined, connections: undefined }
}

function reportOf ({ counts, samples, marks, exits }: Pick<SoakReport, 'counts' | 'samples' | 'marks' | 'exits'>): SoakReport {
  const lines = growth(samples)
  const last = Object.values(samples.at(-1)?.servers ?? {})
  const [warnings, unhandled] = [last.flatMap((one) => one.warnings), last.flatMap((one) => one.unhandled)]
  const problems = [
    ...counts.errors > 0 ? [`${counts.errors} errors were seen by clients`] : [],
    ...counts.wrong > 0 ? [`${counts.wrong} answers were those to another request`] : [],
    ...counts.staleAsFresh > 0 ? [`${counts.staleAsFresh} answers were older than what was confirmed to be invalidated`] : [],
    ...lines.filter(({ isFlat }) => !isFlat).map(({ name, perHour, grown }) => `${name} has grown by ${grown.toFixed(0)}, ${perHour.toFixed(0)} in an hour`),
    ...[...warnings, ...unhandled].map((text) => `unexpected: ${text}`),
    ...exits.some((code) => code !== 0) ? [`servers have ended with ${exits.join(', ')}`] : []
  ]
  return { counts, samples, marks, lines, warnings, unhandled, exits, problems }
}
