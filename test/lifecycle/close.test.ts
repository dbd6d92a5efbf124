import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { createCache } from '../../lib/index.ts'
import { freePort } from '../helpers/free-port.ts'
import { startRedisServer, useRedis } from '../helpers/redis.ts'
import { builtProgram } from '../helpers/built-program.ts'
import type { Closed, ClosingSettings } from './closing.ts'
import { runOfFolder, type ProgramOptions } from './run-program.ts'

/** A process whose cache is closed ends in less than this, on a busy machine as well. */
const LINGERS_MS = 6000
/** An app that closes waits a second for a Redis that does not answer, and another one for it to take what is invalidated. */
const CLOSES_MS = 8000

// Each of them is a process, which takes its time to start.
t.setTimeout(300_000)

const program = await builtProgram(join(import.meta.dirname, 'closing.ts'))

const ALL = ['a client alone', 'await using', 'while it connects', 'an app that was never ready', 'an app that is getting ready', 'twice', 'with work under way']
const AWAY = ['while it connects', 'an app that is getting ready', 'twice']

t.test('a program that closes its cache ends by itself', async (t) => {
  for (const scene of ALL) await ends(t, scene, { prefix: 'p' })
})

for (const memory of [false, true]) {
  const place = memory ? 'with memory in front of Redis' : 'with Redis'

  t.test(`${place}, a program that closes its cache ends by itself`, async (t) => {
    const { url, prefix } = await useRedis(t)
    for (const scene of memory ? ALL : AWAY) await ends(t, scene, { redis: url, prefix, memory })
  })

  t.test(`${place} where nobody listens, a program that closes its cache ends by itself`, async (t) => {
    const redis = `redis://127.0.0.1:${await freePort()}`
    for (const scene of AWAY) await ends(t, scene, { redis, prefix: 'p', memory })
  })

  t.test(`${place} that accepts connections and says nothing, a program that closes its cache ends by itself`, async (t) => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1')
    t.teardown(() => { silent.close() })
    await once(silent, 'listening')
    const address = silent.address()
    if (address === null || typeof address === 'string') throw new Error('expected a port')
    for (const scene of AWAY) await ends(t, scene, { redis: `redis://127.0.0.1:${address.port}`, prefix: 'p', memory })
  })

  t.test(`${place} that hangs, an app closes in its time, and everything that was under way has an answer`, async (t) => {
    const server = await startRedisServer(t)
    const closed = await ends(t, 'while Redis hangs', { redis: server.url, prefix: 'p', memory }, {
      async onSaid ({ outcomes }, input) {
        if (outcomes['state'] !== 'in use') return
        await server.pause()
        input.write('go on\n')
      }
    })
    await server.resume()
    const { page, invalidated, deleted, published } = closed.outcomes
    t.equal(page, '200 page')
    for (const [name, outcome] of Object.entries({ invalidated, deleted, published })) t.match(outcome, /^RESPONSE_CACHE_ERR_/, `${name} is not confirmed, and says so`)
    t.match(closed.outcomes, { stored: 'resolved', produced: 'made', swept: /^RESPONSE_CACHE_ERR_/, warmed: 'RESPONSE_CACHE_ERR_CLOSED' })
  })

  t.test(`${place}, work that was under way has its answers, and what was invalidated is invalidated`, async (t) => {
    const { url, prefix } = await useRedis(t)
    const cache = createCache({ redis: url, prefix, defaults: { ttl: '1m' }, timeouts: { read: '5s', write: '5s' } })
    t.teardown(() => cache.close())
    await cache.connect()
    await cache.set('tagged', 1, { tags: ['t'] })
    const { outcomes } = await ends(t, 'with work under way', { redis: url, prefix, memory })
    t.match(outcomes, { refreshed: '200', slow: '200 slow', waiter: '200 slow', compressed: '200 2000000', produced: 'made', invalidated: 'resolved', warmed: 'RESPONSE_CACHE_ERR_CLOSED' })
    t.equal(await cache.get('tagged'), undefined)
  })
}

/** Runs a scene to its end and checks what all scenes promise. */
async function ends (t: Test, scene: string, settings: ClosingSettings, options: ProgramOptions<Closed> = {}): Promise<Closed> {
  const { said, code, lingeredMs, errors } = await runOfFolder<Closed>(t, [program, scene, JSON.stringify(settings)], options)
  const closed = said.at(-1)
  if (closed === undefined) throw new Error(`${scene}: the program has ended with ${code}:\n${errors}`)
  t.comment(`${scene}: closed in ${closed.ms.toFixed(0)} ms, ended ${lingeredMs.toFixed(0)} ms later; ${JSON.stringify(closed.outcomes)} ${closed.lines.join('; ')}`)
  t.equal(code, 0, `${scene}: ${errors}`)
  t.ok(closed.ms < CLOSES_MS, `${scene}: close() took ${closed.ms} ms`)
  t.ok(lingeredMs < LINGERS_MS, `${scene}: the process went on for ${lingeredMs} ms`)
  t.same(closed.unhandled, [], scene)
  if (settings.redis === undefined) t.same(closed.lines, [], `${scene}: nothing is wrong with a store in this process`)
  t.same(closed.lines.filter((line) => line.includes('The client is closed')), [], `${scene}: that it is closed is no fault of the store`)
  return closed
}
