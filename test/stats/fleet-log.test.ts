import t, { type Test } from 'tap'
import { bucketAt, goesAt, INVALIDATIONS, labelOf, LocalFleetLog, OTHER_ROUTES, routeOf, UNIT_MS, UNITS, type FleetLog, type Told } from '../../lib/stats/fleet-log.ts'
import { readFleetStats } from '../../lib/stats/fleet-stats.ts'
import { countsOf, decodeNumbers, encodeNumbers, invalidationsOf, numbersOf, numbersOfInvalidations } from '../../lib/stats/numbers.ts'
import { useRedis } from '../helpers/redis.ts'
import { CountedRequests, diceOf, logOf, plain } from './fleet-scene.ts'

const logs: Record<string, (t: Test) => Promise<FleetLog>> = {
  'in the process': async () => new LocalFleetLog({ clock: () => Date.now() }),
  'in Redis': async (t) => {
    const { client, prefix } = await useRedis(t)
    return logOf(client, prefix)
  }
}

const [A, B] = ['aaaaaaaaaaaa', 'bbbbbbbbbbbb']
const USERS = labelOf({ route: 'GET /users/:id', namespace: 'user' })

function told (process: string, sequence: number, numbers: Record<string, Record<string, number>>): Told {
  return { process, sequence, numbers: new Map(Object.entries(numbers).map(([label, own]) => [label, new Map(Object.entries(own))])) }
}

for (const [where, open] of Object.entries(logs)) {
  t.test(`${where}: what processes tell is added up, by label and by bucket`, async (t) => {
    const log = await open(t)
    const now = await log.now()
    for (const unit of UNITS) {
      const bucket = bucketAt(unit, now)
      t.equal(await log.add(bucket, told(A, 1, { [USERS]: { hits: 2, savedUs: -7 }, [INVALIDATIONS]: { calls: 1 } })), 'added')
      t.equal(await log.add(bucket, told(B, 1, { [USERS]: { hits: 3, 'miss.uri-miss': 1 } })), 'added')
      t.equal(await log.add(bucket, told(A, 2, { [USERS]: { savedUs: 9 } })), 'added')
      const { processes, numbers } = await log.read(bucket)
      t.same([...processes].sort(), [A, B])
      t.same(Object.fromEntries([...numbers].map(([label, own]) => [label, Object.fromEntries(own)])), { [USERS]: { hits: 5, savedUs: 2, 'miss.uri-miss': 1 }, [INVALIDATIONS]: { calls: 1 } })
      t.same(await log.read({ unit, number: bucket.number - 1 }), { processes: [], numbers: new Map() })
    }
  })

  t.test(`${where}: what is told again is not added again`, async (t) => {
    const log = await open(t)
    const bucket = bucketAt('minute', await log.now())
    const second = told(A, 2, { [USERS]: { hits: 1 } })
    t.same([await log.add(bucket, second), await log.add(bucket, second), await log.add(bucket, told(A, 1, { [USERS]: { hits: 5 } }))], ['added', 'known', 'known'])
    t.equal(await log.add(bucket, told(B, 1, { [USERS]: { hits: 1 } })), 'added', 'sequences are of a process')
    t.equal(await log.add({ ...bucket, number: bucket.number - 1 }, second), 'added', 'and of a bucket')
    t.equal((await log.read(bucket)).numbers.get(USERS)?.get('hits'), 2)
  })

  t.test(`${where}: nothing is added to what has gone`, async (t) => {
    const log = await open(t)
    const now = await log.now()
    for (const unit of UNITS) {
      const gone = bucketAt(unit, now - 49 * UNIT_MS.hour)
      t.ok(goesAt(gone) <= now)
      t.equal(await log.add(gone, told(A, 1, { [USERS]: { hits: 1 } })), 'late')
      t.same(await log.read(gone), { processes: [], numbers: new Map() })
    }
  })
}

t.test('every bucket in Redis has a time to live, which adding does not put off', async (t) => {
  const { client, prefix } = await useRedis(t)
  const log = logOf(client, prefix)
  const now = await log.now()
  const cases = [['m', bucketAt('minute', now), 7_800_000], ['h', bucketAt('hour', now), 172_800_000], ['m', bucketAt('minute', now - 3_600_000), 4_200_000]] as const
  for (const [letter, bucket, leastMs] of cases) {
    for (const sequence of [1, 2]) {
      await log.add(bucket, told(A, sequence, { [USERS]: { hits: 1 } }))
      const ttlMs = await client.pTTL(`${prefix}:stats:${letter}:${bucket.number}`)
      t.ok(ttlMs > leastMs - 60_000 && ttlMs <= leastMs + UNIT_MS[bucket.unit], `${bucket.unit} ${sequence}: ${ttlMs} ms`)
    }
  }
  const ahead = { unit: 'minute', number: 2 * bucketAt('minute', now).number } as const
  await log.add(ahead, told(A, 1, { [USERS]: { hits: 1 } }))
  t.ok(await client.pTTL(`${prefix}:stats:m:${ahead.number}`) <= 131 * 60_000, 'also one that somebody has told for a time to come')
  const keys: string[] = []
  for await (const found of client.scanIterator({ MATCH: `${prefix}:*` })) keys.push(...found)
  t.equal(keys.length, 4)
})

t.test('what is damaged counts as nothing, and is replaced', async (t) => {
  const { client, prefix } = await useRedis(t)
  const log = logOf(client, prefix)
  const bucket = bucketAt('minute', await log.now())
  const key = `${prefix}:stats:m:${bucket.number}`
  const OTHER = labelOf({ route: 'GET /other', namespace: 'user' })
  await log.add(bucket, told(A, 1, { [USERS]: { hits: 1 }, [OTHER]: { hits: 9 } }))
  await client.hSet(key, {
    [USERS]: 'hits=xyz misses=99999999999999999999999 bypasses=1e9 refused=9007199254740992 stale=4 miss.constructor=3 miss.__proto__=2 =5 fills',
    [OTHER]: '\u0000\u00ff not numbers',
    'no line break': 'hits=100',
    [`${'r'.repeat(201)}\nuser`]: 'hits=100',
    'a\nb\nc': 'hits=100',
    '@short': '1',
    [`@${B}`]: 'not a number',
    [INVALIDATIONS]: 'calls=-'
  })
  const seen = await readFleetStats(log, { last: '1h' })
  t.same([seen.hits, seen.misses, seen.bypasses, seen.refused, seen.stale, seen.fills, seen.missReasons, seen.invalidations], [0, 0, 0, 0, 4, 0, {}, { calls: 0, byKind: {}, byCause: {} }])
  t.equal(await log.add(bucket, told(B, 1, { [USERS]: { hits: 2, misses: 3 }, [OTHER]: { hits: 1 } })), 'added')
  const { hits, misses, stale, bypasses, refused, routes } = await readFleetStats(log, { last: '1h' })
  t.same([hits, misses, stale, bypasses, refused, routes.length], [3, 3, 4, 0, 0, 2])
  for (const damage of [() => client.set(key, 'a string'), () => client.lPush(key, 'a list')]) {
    await client.unlink(key)
    await damage()
    t.same(await log.read(bucket), { processes: [], numbers: new Map() })
    t.equal(await log.add(bucket, told(A, 1, { [USERS]: { hits: 1 } })), 'added')
    t.equal((await readFleetStats(log, { last: '1h' })).hits, 1)
    t.ok(await client.pTTL(key) > 0)
  }
})

t.test('a bucket has a bounded number of fields, and no request is missing from the sums', async (t) => {
  const { client, prefix } = await useRedis(t)
  const log = logOf(client, prefix, { mostFields: 3 })
  const bucket = bucketAt('hour', await log.now())
  const label = (at: number): string => labelOf({ route: `GET /${at}`, namespace: 'n' })
  await log.add(bucket, told(A, 1, { [label(1)]: { hits: 1 }, [label(2)]: { hits: 1 } }))
  await log.add(bucket, told(A, 2, { [label(1)]: { hits: 1 }, [label(3)]: { hits: 1 }, [label(4)]: { hits: 1 } }))
  t.equal(await log.add(bucket, told(B, 1, { [label(1)]: { hits: 1 } })), 'full')
  const { hits, routes, processes } = await readFleetStats(log, { last: '24h' })
  t.same([hits, processes], [5, 1])
  t.same(routes.map(({ route, hits }) => [route, hits]).sort(), [['GET /1', 2], ['GET /2', 1], ['other', 2]])
  t.ok(await client.hLen(`${prefix}:stats:h:${bucket.number}`) <= 4)
})

t.test('an answer that is none of ours is a fault', async (t) => {
  for (const [what, reply] of [['time', 'OK'], ['time', null], ['time', -1], ['outcome', 'maybe'], ['outcome', ['added']]] as const) {
    const log = logOf({ eval: async () => reply } as never, 'p')
    if (what === 'time') await t.rejects(log.now(), TypeError)
    else await t.rejects(log.add({ unit: 'minute', number: 1 }, told(A, 1, {})), TypeError)
  }
})

t.test('counts come back as they were, whatever they were told as', (t) => {
  const app = new CountedRequests(['GET /a'], diceOf(5))
  app.count(500)
  const [route] = app.routes as [typeof app.routes[0]]
  const { route: _route, namespace: _namespace, ...counts } = plain(route) as Record<string, unknown>
  t.same(countsOf(decodeNumbers(encodeNumbers(numbersOf(route)))), counts)
  t.same(invalidationsOf(decodeNumbers(encodeNumbers(numbersOfInvalidations(app.invalidations)))), app.invalidations)
  t.end()
})

t.test('a label is that of one route, in bounds, whatever the route is called', (t) => {
  for (const [route, namespace] of [['GET /users/:id', 'user'], ['GET,HEAD /é😀', 'n.s-_']] as const) t.same(routeOf(labelOf({ route, namespace })), { route, namespace })
  t.equal(labelOf({ route: 'a\nb', namespace: 'c\rd' }).split('\n').length, 2)
  t.ok(labelOf({ route: 'r'.repeat(1000), namespace: 'n'.repeat(1000) }).length <= 301)
  t.ok(routeOf(labelOf({ route: `${'r'.repeat(198)}😀`, namespace: '\ud800' })) !== undefined)
  t.same(routeOf(OTHER_ROUTES), { route: 'other', namespace: 'other' })
  t.equal(routeOf(INVALIDATIONS), undefined)
  t.end()
})
