import { join } from 'node:path'
import t from 'tap'
import { runPlain } from '../helpers/plain-process.ts'
import { useRedis } from '../helpers/redis.ts'
import { ownFaults } from './own-faults.ts'
import { openOwnRedis } from './own-redis.ts'
import { wordsFor } from './own-words.ts'
import type { Row } from './matrix.ts'

async function own (args: string[], env: NodeJS.ProcessEnv = {}) {
  return await runPlain(process.execPath, ['--import=tsx', join(import.meta.dirname, 'own.ts'), ...args], { env: { ...process.env, REDIS_URL: '', ...env } })
}

t.test('it says how it is used', async (t) => {
  const { code, stdout } = await own(['--help'])
  t.equal(code, 0)
  t.match(stdout, /--redis URL.*--seconds N.*Exit code: 0/s)
})

t.test('when it cannot begin it says why, and does not say that a promise was broken', async (t) => {
  const { code, stderr } = await own(['--seconds', '0'])
  t.equal(code, 2)
  t.match(stderr, /--seconds: expected 1 to 60, got 0/)
  await t.rejects(openOwnRedis('redis://127.0.0.1:1'), { message: /No Redis answers at redis:\/\/127\.0\.0\.1:1/ })
  await t.rejects(openOwnRedis('localhost'), { message: /expected redis:\/\/… or rediss:\/\/…/ })
})

t.test('connections of its own are killed, those of others are not, and its keys are gone at the end', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  await client.set(`${prefix}:other`, 'here')
  const redis = await openOwnRedis(url)
  const app = client.duplicate({ ...redis.option, socket: { host: '127.0.0.1', port: redis.proxy.port } })
  try {
    const { faults, skipped } = await ownFaults(redis)
    t.strictSame(skipped, [])
    await client.set(`${redis.prefix}:it`, 'own')
    let lost = 0
    app.on('error', () => { lost++ })
    await app.connect()
    const id = await client.clientId()
    await faults.find(({ name }) => name === 'client-kill')!.run({ proxy: redis.proxy }, 200)
    t.ok(lost > 0)
    t.equal(await client.clientId(), id, 'this connection stays')
  } finally {
    app.destroy()
    await redis.close()
  }
  t.equal(await client.get(`${prefix}:other`), 'here')
  t.equal(await client.exists(`${redis.prefix}:it`), 0)
})

t.test('a broken promise is called so', async (t) => {
  const cell = { operation: 'look-up', requests: 100, errors: [], p99: 12.3, plainP99: 9.8, stale: 0, examples: [], oldCopies: 0, latestMs: 0, stalePending: 0, normalAfterMs: 300 } as const
  const left = { heapBytes: 0, handles: {}, connections: 2 }
  const row: Row = {
    fault: { name: 'refuse', description: 'Redis is down' },
    cells: [cell],
    uncaught: [],
    oracleFaults: [],
    before: left,
    after: left,
    idleP99: 5,
    oracle: { invalidations: 0, responses: 0, hits: { redis: 0, memory: 0 }, violations: 0, examples: [], byForm: {}, oldResults: 0, oldCopies: 0, delays: new Float64Array() }
  }
  t.match(wordsFor(row), { isKept: true, text: /^ok +Redis is down\n +100 requests, all answered; nothing stale\n.*12 ms \(10 ms without a cache\)\n +hits again: 0\.3 s/s })
  const broken: Array<[Partial<Row['cells'][number]>, RegExp]> = [
    [{ errors: ['GET /: status 500'] }, /1 failed.*broken: .*1 errors: GET \/: status 500/s],
    [{ stale: 2, examples: ['thing 1'] }, /2 answers stale.*broken: .*2 stale answers/s],
    [{ stalePending: 1 }, /broken: .*could not confirm/s],
    [{ normalAfterMs: 2500 }, /hits again: 2\.5 s.*broken: .*normal after 2\.5 s only/s],
    [{ normalAfterMs: undefined }, /hits again: not seen.*broken: .*not normal again/s]
  ]
  for (const [what, text] of broken) t.match(wordsFor({ ...row, cells: [{ ...cell, ...what }] }), { isKept: false, text })
  t.match(wordsFor({ ...row, uncaught: ['unhandled rejection: x'] }), { isKept: false, text: /broken: refuse: unhandled rejection: x/ })
})
