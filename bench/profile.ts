// npm --prefix bench run profile -- "memory hit" "bare Buffer route"
// Where the CPU time of a request goes: self time per function, of one contestant or of two side by side.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { comparisons, peers, peersPath, type Contestant } from './contestants.ts'
import { pickCores } from './cores.ts'
import { pickLoad } from './load.ts'
import { startRedis } from './redis.ts'
import { table } from './report.ts'
import { ServerProcess } from './server-process.ts'

interface CpuProfile {
  nodes: Array<{ id: number, callFrame: { functionName: string, url: string, lineNumber: number } }>
  samples: number[]
  timeDeltas: number[]
}

/** Microseconds of self time per request, by function and file. */
type Profile = Map<string, number>

const SECONDS = 5
const ROWS = 45

const contestants = new Map([...peers, ...comparisons.flatMap(({ subject, baseline }) => [subject, baseline])].map((each) => [each.name, each]))
const [name = 'memory hit', otherName] = process.argv.slice(2)
const cores = pickCores()
const load = pickLoad(cores?.load)
const redis = await startRedis(cores?.load)
try {
  const profile = await profileOf(named(name))
  const other: Profile = otherName === undefined ? new Map<string, number>() : await profileOf(named(otherName))
  const rows = [...new Set([...profile.keys(), ...other.keys()])]
    .map((key) => ({ key, own: profile.get(key) ?? 0, other: other.get(key) ?? 0 }))
    .sort((a, b) => Math.abs(b.own - b.other) - Math.abs(a.own - a.other))
  const total = { key: 'all', own: sum(profile), other: sum(other) }
  console.log(table(['µs per request', name, otherName ?? '', 'difference'], [total, ...rows.slice(0, ROWS)].map((row) => [
    row.key, row.own.toFixed(3), row.other.toFixed(3), (row.own - row.other).toFixed(3)
  ])))
} finally {
  await redis?.stop()
}

function named (wanted: string): Contestant {
  const contestant = contestants.get(wanted)
  if (contestant === undefined) throw new Error(`expected one of ${[...contestants.keys()].join(', ')}; got ${wanted}`)
  return contestant
}

function sum (profile: Profile): number {
  return [...profile.values()].reduce((total, micros) => total + micros, 0)
}

async function profileOf (contestant: Contestant): Promise<Profile> {
  const directory = await mkdtemp(join(tmpdir(), 'bench-profile-'))
  const env = redis === undefined ? {} : { REDIS_URL: redis.url, BENCH_PREFIX: redis.prefix }
  const nodeArgs = ['--cpu-prof', `--cpu-prof-dir=${directory}`, '--cpu-prof-interval=200']
  try {
    const server = await ServerProcess.start(contestant, { core: cores?.server, env, nodeArgs })
    await server.verify({ path: peersPath })
    await load.run(server.origin + peersPath, { seconds: 2 })
    const { requests } = await load.run(server.origin + peersPath, { seconds: SECONDS })
    await server.stop()
    const [file = ''] = await readdir(directory)
    return selfTimes(JSON.parse(await readFile(join(directory, file), 'utf8')) as CpuProfile, requests)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** The end of the profile only, which is the load: what comes before is start and warm-up. */
function selfTimes ({ nodes, samples, timeDeltas }: CpuProfile, requests: number): Profile {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, `${callFrame.functionName || '(anonymous)'} ${shortUrl(callFrame.url)}:${callFrame.lineNumber + 1}`]))
  const times: Profile = new Map()
  let left = SECONDS * 1e6
  for (let index = samples.length - 1; index >= 0 && left > 0; index--) {
    const key = names.get(samples[index] as number) ?? ''
    const micros = timeDeltas[index] as number
    left -= micros
    if (!key.startsWith('(idle)')) times.set(key, (times.get(key) ?? 0) + micros / requests)
  }
  return times
}

function shortUrl (url: string): string {
  return url.replace(/^file:\/\//, '').replace(/^.*\/(?=dist\/|node_modules\/|bench\/)/, '')
}
