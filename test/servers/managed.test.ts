import t, { type Test } from 'tap'
import { startRedisServer } from '../helpers/redis.ts'
import { ask, buildApp, PATIENT, until, type Line } from './app.ts'
import { useEverything } from './scenario.ts'

/** A server that does not know these commands, as services of providers do not know some. */
async function serverWithout (t: Test, commands: readonly string[]): Promise<string> {
  const { url } = await startRedisServer(t, { args: commands.flatMap((command) => ['--rename-command', command, '']) })
  return url
}

const told = (lines: readonly Line[]): string[] => lines.filter(({ level }) => level !== 'info').map(({ message }) => message).sort()

t.test('nothing of what services keep for themselves is needed', async (t) => {
  const redis = await serverWithout(t, ['CLIENT', 'CONFIG', 'INFO', 'KEYS', 'DEBUG', 'SCRIPT', 'EVALSHA', 'MONITOR', 'COMMAND', 'ACL', 'MEMORY', 'OBJECT', 'FLUSHALL', 'DBSIZE', 'MULTI', 'WATCH'])
  for (const memory of [false, {}] as const) {
    const { lines } = await useEverything(t, { redis, prefix: `m-${memory !== false}`, memory })
    t.same(told(lines), [])
  }
})

t.test('without HELLO one line says so, and with RESP 2 everything works', async (t) => {
  const url = await serverWithout(t, ['HELLO'])
  const one = await buildApp(t, { redis: url, prefix: 'm', timeouts: { ...PATIENT, read: '200ms' } })
  await one.app.ready()
  await until('a line', async () => {
    t.match(await ask(one, '/plain/1'), { status: 200, cache: 'MISS' })
    return one.lines.length > 0
  })
  for (let i = 0; i < 10; i++) t.equal((await ask(one, '/plain/1')).status, 200)
  t.match(one.lines, [{ level: 'warn', state: 'store-error', reason: /HELLO/ }])
  t.equal(one.lines.length, 1)
  for (const memory of [false, {}] as const) {
    const { lines } = await useEverything(t, { redis: { url, RESP: 2 }, prefix: `m-${memory !== false}`, memory })
    t.same(told(lines), [])
  }
})

t.test('without SUBSCRIBE each process says so once, and everything works', async (t) => {
  const redis = await serverWithout(t, ['SUBSCRIBE'])
  const { lines } = await useEverything(t, { redis, prefix: 'm', memory: {} })
  const deaf = 'cache does not hear of invalidations: hits from memory ask Redis first'
  t.same(told(lines).filter((message) => message === deaf), [deaf, deaf], 'two processes')
  t.match(told(lines).filter((message) => message !== deaf), [/fills of other processes/], 'and one has waited for the other')
  const { lines: alone } = await useEverything(t, { redis, prefix: 'n' })
  t.match(told(alone), [/fills of other processes/])
})

t.test('without PUBLISH each process that invalidates says so once, and nothing is used longer than maxBlindMs', async (t) => {
  const redis = await serverWithout(t, ['PUBLISH'])
  const { lines } = await useEverything(t, { redis, prefix: 'm', memory: { maxBlindMs: 100 } })
  const messages = told(lines)
  const [marks, fills] = ['cache cannot tell of invalidations', 'cache cannot tell when a fill has ended'].map((start) => messages.filter((message) => message.startsWith(start)).length)
  t.ok(marks! >= 1 && marks! <= 2, `${marks!} lines of those that invalidate`)
  t.ok(fills! >= 1 && fills! <= 2, `${fills!} lines of those that were waited for`)
  t.equal(messages.length, marks! + fills!)
})

t.test('without EVAL there is no cache, which one line says, and routes answer', async (t) => {
  const redis = await serverWithout(t, ['EVAL'])
  const one = await buildApp(t, { redis, prefix: 'm' })
  await one.app.ready()
  await one.app.cache.connect()
  for (let i = 0; i < 20; i++) t.match(await ask(one, '/plain/1'), { status: 200, cache: 'MISS' })
  t.match(one.lines, [{ level: 'warn', state: 'store-error', reason: /EVAL/ }])
  t.equal(one.lines.length, 1)
})

t.test('without streams there are no events, who publishes one hears it, and all else works', async (t) => {
  const redis = await serverWithout(t, ['XADD', 'XREAD', 'XRANGE', 'XREVRANGE'])
  const { lines } = await useEverything(t, { redis, prefix: 'm' }, ['events'])
  t.same(told(lines), [])
  const one = await buildApp(t, { redis, prefix: 'm' })
  await one.app.ready()
  await one.app.cache.connect()
  one.app.cache.invalidateOn('changed', () => ({ tags: ['id:1'] }))
  await until('it says that it cannot hear', () => one.lines.some(({ message }) => message.startsWith('events cannot be read')))
  for (let i = 0; i < 10; i++) await t.rejects(one.app.cache.publish('changed', i), { code: 'RESPONSE_CACHE_ERR_STORE_UNAVAILABLE', message: /XADD/ })
  await until('a hit', async () => (await ask(one, '/plain/1')).cache === 'HIT')
  await one.app.cache.invalidateTags('id:1')
  t.equal((await ask(one, '/plain/1')).cache, 'MISS', 'invalidations work at once, although Redis refuses other writes')
})

t.test('without SCAN the calls that walk through all keys reject, and all else works', async (t) => {
  const redis = await serverWithout(t, ['SCAN'])
  const { lines } = await useEverything(t, { redis, prefix: 'm' }, ['walks'])
  t.same(told(lines), [])
  const one = await buildApp(t, { redis, prefix: 'm' })
  await one.app.ready()
  await one.app.cache.connect()
  for (const walk of [() => one.app.cache.deletePattern('user:*'), () => one.app.cache.sweep()]) {
    await t.rejects(async () => { await walk() }, { code: 'RESPONSE_CACHE_ERR_STORE_UNAVAILABLE', message: /SCAN/ })
  }
})
