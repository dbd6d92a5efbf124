import type { Comparison, Contestant } from './contestants.ts'
import type { Load } from './load.ts'
import { ServerProcess, type StartOptions } from './server-process.ts'

const QUIET_BUSY = 0.9

type Asked = Pick<Comparison, 'path' | 'headers' | 'status'>

/** How much of everything: a comparison is `launches` × `pairs` pairs of runs, each `seconds` long. */
export interface Effort {
  launches: number
  pairs: number
  rounds: number
  seconds: number
  warmUpSeconds: number
}

export interface Run {
  requestsPerSecond: number
  cpuMicrosPerRequest: number
  /** Share of the time the server's core was at work for it; well below 1, the load generator is what was measured. */
  busy: number
  p50Ms: number
  p99Ms: number
}

export interface ComparisonResult {
  comparison: Comparison
  subject: Run
  baseline: Run
  ratio: Spread
  /** CPU time of the server per request, baseline over subject: the same question, less disturbed by other work on the machine. */
  cpuRatio: Spread
  /** Too few runs in which the servers were busy all the time: requests per second do not tell much, CPU time does. */
  isDisturbed: boolean
}

export interface Spread {
  median: number
  min: number
  max: number
  count: number
}

export interface Bench {
  load: Load
  server: StartOptions
  effort: Effort
}

/**
 * Subject and baseline run in turn, the order changing from pair to pair, so that whatever slows the machine down for a while
 * slows both. Two processes of the same code can differ by a few percent for their whole life: hence several launches.
 */
export async function compare (comparison: Comparison, bench: Bench): Promise<ComparisonResult> {
  const pairs: Pair[] = []
  for (let launch = 0; launch < bench.effort.launches; launch++) pairs.push(...await launchAndCompare(comparison, bench))
  const quiet = pairs.filter(isQuiet)
  const isDisturbed = quiet.length < pairs.length / 2
  const counted = isDisturbed ? pairs : quiet
  return {
    comparison,
    subject: medianRun(counted.map((pair) => pair.subject)),
    baseline: medianRun(counted.map((pair) => pair.baseline)),
    ratio: spread(counted.map(({ subject, baseline }) => subject.requestsPerSecond / baseline.requestsPerSecond)),
    cpuRatio: spread(counted.map(({ subject, baseline }) => baseline.cpuMicrosPerRequest / subject.cpuMicrosPerRequest)),
    isDisturbed
  }
}

interface Pair {
  subject: Run
  baseline: Run
}

/** Disturbed pairs are repeated, unless all are: then the load generator cannot keep the server busy. */
async function launchAndCompare (comparison: Comparison, bench: Bench): Promise<Pair[]> {
  const { load, effort } = bench
  const subject = await launchWarm(comparison.subject, comparison, bench)
  const baseline = await launchWarm(comparison.baseline, comparison, bench)
  const pairs: Pair[] = []
  let quiet = 0
  while (pairs.length < effort.pairs || (quiet > 0 && quiet < effort.pairs && pairs.length < 3 * effort.pairs)) {
    const order = pairs.length % 2 === 0 ? [subject, baseline] : [baseline, subject]
    const runs = new Map<ServerProcess, Run>()
    for (const server of order) runs.set(server, await run(server, load, { ...comparison, seconds: effort.seconds }))
    const pair = { subject: runs.get(subject) as Run, baseline: runs.get(baseline) as Run }
    pairs.push(pair)
    if (isQuiet(pair)) quiet++
  }
  await Promise.all([subject.stop(), baseline.stop()])
  return pairs
}

/** Whether both servers had their core to themselves, and enough to do. */
function isQuiet ({ subject, baseline }: Pair): boolean {
  return subject.busy >= QUIET_BUSY && baseline.busy >= QUIET_BUSY
}

export interface PeerResult {
  contestant: Contestant
  run: Run
  /** Requests per second over those of the first contestant in the same round. */
  ratio: Spread
}

/** All contestants once per round, every other round in reverse. */
export async function compareAll (contestants: Contestant[], path: string, bench: Bench): Promise<PeerResult[]> {
  const { load, effort } = bench
  const servers: ServerProcess[] = []
  for (const contestant of contestants) servers.push(await launchWarm(contestant, { path }, bench))
  const runs = servers.map((): Run[] => [])
  for (let round = 0; round < effort.rounds; round++) {
    const order = [...servers.keys()]
    if (round % 2 === 1) order.reverse()
    for (const index of order) runs[index]?.push(await run(servers[index] as ServerProcess, load, { path, seconds: effort.seconds }))
  }
  await Promise.all(servers.map((server) => server.stop()))
  return contestants.map((contestant, index) => {
    const own = runs[index] as Run[]
    const ratios = own.map((each, round) => each.requestsPerSecond / (runs[0]?.[round] as Run).requestsPerSecond)
    return { contestant, run: medianRun(own), ratio: spread(ratios) }
  })
}

async function launchWarm (contestant: Contestant, asked: Asked, { load, server, effort }: Bench): Promise<ServerProcess> {
  const launched = await ServerProcess.start(contestant, server)
  await launched.verify(asked)
  await run(launched, load, { ...asked, seconds: effort.warmUpSeconds })
  return launched
}

async function run (server: ServerProcess, load: Load, { path, headers, seconds }: Asked & { seconds: number }): Promise<Run> {
  const before = await server.usage()
  const { requests, seconds: took, failures, p50Ms, p99Ms } = await load.run(server.origin + path, { seconds, headers })
  const after = await server.usage()
  const { name, hit } = server.contestant
  if (failures > 0 || requests === 0) throw new Error(`${name}: ${failures} of ${requests} requests failed`)
  if (hit && after.handlerCalls !== before.handlerCalls) throw new Error(`${name}: the handler ran during a run of hits`)
  const cpuMicros = after.cpuMicros - before.cpuMicros
  return { requestsPerSecond: requests / took, cpuMicrosPerRequest: cpuMicros / requests, busy: cpuMicros / 1e6 / took, p50Ms, p99Ms }
}

function medianRun (runs: Run[]): Run {
  const of = (key: keyof Run): number => spread(runs.map((run) => run[key])).median
  return {
    requestsPerSecond: of('requestsPerSecond'),
    cpuMicrosPerRequest: of('cpuMicrosPerRequest'),
    busy: of('busy'),
    p50Ms: of('p50Ms'),
    p99Ms: of('p99Ms')
  }
}

function spread (values: number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (index: number): number => sorted[index] ?? NaN
  const middle = (sorted.length - 1) / 2
  return { median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2, min: at(0), max: at(sorted.length - 1), count: sorted.length }
}
