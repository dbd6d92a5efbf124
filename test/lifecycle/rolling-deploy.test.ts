import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { builtProgram } from '../helpers/built-program.ts'
import { spawnPlain } from '../helpers/plain-process.ts'
import { useRedis } from '../helpers/redis.ts'
import { generator } from '../marks/seeded.ts'
import { buildOf, type Release } from './versions.ts'
import type { Thing, VersionSettings } from './version-server.ts'

// Each server is a process, which takes its time to start.
t.setTimeout(300_000)

const THINGS = 20
const CLIENTS = 8
const REQUESTS = 400
/** One of so many requests changes something. */
const CHANGES = 40
/** With copies in memory a process hears of an invalidation that is not its own after some milliseconds. */
const HEARS_MS = 5000

interface Server {
  readonly release: Release
  readonly port: number
  readonly child: ChildProcess
}

interface Load {
  readonly wrong: string[]
  readonly hits: number
  readonly looked: number
}

const OTHERS = [['this', 0.8], ['more fields', 0.8], ['older', 0.25], ['newer', 0.25]] as const
/** The long form runs all of them with memory as well: `LONG=1 npx tap test/lifecycle/rolling-deploy.test.ts`. */
const WITH_MEMORY: readonly Release[] = process.env.LONG === undefined ? ['more fields', 'older'] : OTHERS.map(([other]) => other)

for (const memory of [false, true]) {
  const place = memory ? 'memory in front of Redis' : 'Redis'
  for (const [other, leastShare] of OTHERS.filter(([one]) => !memory || WITH_MEMORY.includes(one))) {
    const title = other === 'this' ? 'two servers of one release' : other === 'more fields' ? 'a release that stores more fields in the same format' : `a release with an ${other} format`.replace('an newer', 'a newer')
    t.test(`${title} shares ${place} with this one: no errors, no wrong answers, and both hear of what is invalidated`, async (t) => {
      const servers = await startServers(t, { other, memory })
      const quiet = await load(servers, { changes: Infinity, memory })
      const changing = await load(servers, { changes: CHANGES, memory })
      const share = quiet.hits / quiet.looked
      t.comment(`hits: ${(100 * share).toFixed(1)} % of ${quiet.looked} without changes, ${(100 * changing.hits / changing.looked).toFixed(1)} % of ${changing.looked} with one change in ${CHANGES} requests`)
      t.same([...quiet.wrong, ...changing.wrong], [])
      t.ok(share > leastShare, `${share} of the requests are hits`)
      t.same(await Promise.all(servers.map(async (server) => (await send(server, 'GET', '/unhandled')).json)), [[], []])
      t.same(await Promise.all(servers.map(stop)), [0, 0])
    })
  }
}

t.test('a sweep by one release leaves what the other has stored', async (t) => {
  const [own, other] = await startServers(t, { other: 'newer', memory: false }) as [Server, Server]
  await get(other, 'thing', 1)
  t.equal((await send(own, 'POST', '/sweep')).status, 200)
  t.equal((await get(other, 'thing', 1)).outcome, 'HIT')
})

async function startServers (t: Test, { other, memory }: { other: Release, memory: boolean }): Promise<Server[]> {
  const { url: redis, prefix } = await useRedis(t)
  const folder = t.testdir({})
  return await Promise.all((['this', other] as const).map(async (release) => {
    return await start(t, release, { library: await buildOf(release, folder), redis, prefix, memory })
  }))
}

async function start (t: Test, release: Release, settings: VersionSettings): Promise<Server> {
  const program = await builtProgram(join(import.meta.dirname, 'version-server.ts'))
  const child = spawnPlain(process.execPath, [program, JSON.stringify(settings)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  t.teardown(() => { child.kill('SIGKILL') })
  const [message] = await Promise.race([once(child, 'message'), once(child, 'exit').then(([code]) => { throw new Error(`a server has ended with ${code}`) })]) as [{ port: number }]
  return { release, port: message.port, child }
}

async function stop ({ child }: Server): Promise<number | null> {
  child.send('close')
  const [code] = await once(child, 'exit') as [number | null]
  return code
}

/** Requests to all servers in turn, each judged by what was known to be true when it was sent. */
async function load (servers: readonly Server[], { changes, memory }: { changes: number, memory: boolean }): Promise<Load> {
  const known = new Map<string, number>()
  const wrong: string[] = []
  const random = generator(1)
  let [hits, looked, sent] = [0, 0, 0]
  async function client (): Promise<void> {
    while (sent < REQUESTS) {
      const n = sent++
      // Like a balancer that does not know who has what.
      const server = servers[Math.floor(random() * servers.length)]!
      const [kind, id] = [n % 3 === 0 ? 'value' : 'thing', n % THINGS] as const
      if (n % changes === changes - 1) await change(server, kind, id)
      else await look(server, kind, id)
    }
  }
  async function change (server: Server, kind: string, id: number): Promise<void> {
    const { status, json } = await send(server, 'PUT', `/${kind}/${id}`)
    if (status !== 200) wrong.push(`PUT ${kind} ${id} of ${server.release}: ${status}`)
    const { revision } = json as Thing
    const name = `${kind} ${id}`
    known.set(name, Math.max(revision, known.get(name) ?? 0))
  }
  async function look (server: Server, kind: string, id: number): Promise<void> {
    const least = known.get(`${kind} ${id}`) ?? 0
    const endsAt = performance.now() + HEARS_MS
    for (;;) {
      const { status, outcome, thing } = await get(server, kind, id)
      if (kind === 'thing') looked++
      if (outcome === 'HIT') hits++
      if (status === 200 && thing.id === String(id) && thing.revision >= least) return
      if (memory && status === 200 && thing.id === String(id) && performance.now() < endsAt) continue
      wrong.push(`GET ${kind} ${id} of ${server.release}: ${status} ${JSON.stringify(thing)}, at least ${least}`)
      return
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, client))
  return { wrong, hits, looked }
}

async function get (server: Server, kind: string, id: number): Promise<{ status: number, outcome: string, thing: Thing }> {
  const { status, outcome, json } = await send(server, 'GET', `/${kind}/${id}`)
  return { status, outcome, thing: json as Thing }
}

const agent = new Agent({ keepAlive: true })
t.teardown(() => { agent.destroy() })

/** All servers have one name, as behind a balancer: it is part of the keys. */
async function send ({ port }: Server, method: string, path: string): Promise<{ status: number, outcome: string, json: unknown }> {
  const sent = request({ host: '127.0.0.1', port, method, path, agent, headers: { host: 'things.example' } }).end()
  const [response] = await once(sent, 'response') as [IncomingMessage]
  return { status: response.statusCode!, outcome: String(response.headers['x-cache']), json: JSON.parse(await text(response)) as unknown }
}
