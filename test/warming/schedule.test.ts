import t, { type Test } from 'tap'
import { warmSettings, type WarmPluginOption } from '../../lib/warming/warm-options.ts'
import { LocalLeases, type LeaseAnswer, type Leases } from '../../lib/leases.ts'
import { Warmer, type WarmerOptions } from '../../lib/warming/warmer.ts'
import { useRedis } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'
import { openLeases } from '../store/leases-scene.ts'
import { noValues, recordingApp, recordingLogger, settle, Timeline } from './doubles.ts'

const MINUTE = 60_000

interface Beginning extends Partial<WarmerOptions> {
  time?: Timeline
  app?: ReturnType<typeof recordingApp>
}

function begin (t: Test, option: WarmPluginOption, { time = new Timeline(), app = recordingApp(), ...options }: Beginning = {}) {
  const logger = recordingLogger()
  const monotonic = () => time.now
  const warmer = new Warmer({ app, getOrSet: noValues, leases: new LocalLeases({ clock: monotonic }), logger, later: time.later, monotonic, ...options })
  t.teardown(() => { warmer.close() })
  warmer.start(warmSettings(option, 'the plugin options'))
  return { time, logger, app, warmer }
}

t.test('a list is warmed on start, once', async (t) => {
  const { time, app, logger } = begin(t, ['/a', '/b'])
  await settle()
  t.strictSame(app.fills.map(({ url, freshForMs }) => [url, freshForMs]), [['/a', 0], ['/b', 0]])
  t.strictSame(logger.lines, ['info warmed on start'])
  t.strictSame(logger.details, [{ cache: { warmed: { filled: 2, fresh: 0, failed: 0 } } }])
  t.equal(time.waiting, 0)
})

t.test('on a schedule it is warmed on start and at each interval, what stays fresh that long left alone', async (t) => {
  let lists = 0
  const { time, app, logger } = begin(t, { targets: async () => [`/${++lists}`], every: '5m', headers: { host: 'example.com' } })
  await settle()
  await time.pass(5 * MINUTE - 1)
  t.equal(app.fills.length, 1)
  await time.pass(1)
  await time.pass(5 * MINUTE)
  t.strictSame(app.fills.map(({ url, freshForMs, headers }) => [url, freshForMs, headers.host]), [1, 2, 3].map((at) => [`/${at}`, 5 * MINUTE, 'example.com']))
  t.strictSame(logger.lines, ['info warmed on start'], 'what goes well on schedule is not news')
})

t.test('of processes that share leases one warms at each interval, whatever the moments they began at', async (t) => {
  const time = new Timeline()
  const leases = new LocalLeases({ clock: () => time.now })
  const apps: Array<ReturnType<typeof recordingApp>> = []
  for (const after of [0, 1_000, 30_000, 28_000]) {
    await time.pass(after)
    const { app } = begin(t, { targets: ['/a'], every: '1m' }, { time, leases })
    await settle()
    app.fills.length = 0
    apps.push(app)
  }
  const runs = () => apps.reduce((sum, { fills }) => sum + fills.splice(0).length, 0)
  await time.pass(MINUTE)
  const first = runs()
  t.ok(first >= 1 && first <= 2, `${first} in the interval in which the last began`)
  for (let interval = 0; interval < 20; interval++) {
    await time.pass(MINUTE)
    const count = runs()
    t.ok(count === 1 || count === 2, String(count))
  }
  await time.pass(100 * MINUTE)
  const count = runs()
  t.ok(count >= 95 && count <= 112, `${count} in 100 intervals`)
})

t.test('a run that takes longer than the interval is not begun again, here or in another process', async (t) => {
  const time = new Timeline()
  const leases = new LocalLeases({ clock: () => time.now })
  let finish = (): void => {}
  const app = recordingApp(async () => {
    if (app.fills.length > 1) await new Promise<void>((resolve) => { finish = resolve })
    return { outcome: 'filled' }
  })
  begin(t, { targets: ['/a'], every: '1m' }, { time, leases, app })
  await settle()
  await time.pass(1000)
  const { app: other } = begin(t, { targets: ['/a'], every: '1m' }, { time, leases })
  await settle()
  await time.pass(3 * MINUTE)
  t.equal(app.fills.length, 2)
  t.equal(other.fills.length, 1, 'on start')
  finish()
  await settle()
  await time.pass(MINUTE)
  t.equal(app.fills.length + other.fills.length, 4)
  finish()
})

t.test('while the run on start is not done, the schedule begins no other', async (t) => {
  const app = recordingApp(async () => await new Promise(() => {}))
  const { time } = begin(t, { targets: ['/a'], every: '1m' }, { app })
  await settle()
  await time.pass(3 * MINUTE)
  t.equal(app.fills.length, 1)
})

t.test('whatever fails is one line of the log, and the next interval begins anew', async (t) => {
  let fault: Error | undefined = new Error('no database')
  const { time, app, logger } = begin(t, { targets: async () => { if (fault) throw fault; return ['/a', '/b'] }, every: '1m' },
    { app: recordingApp(async ({ url }) => url === '/a' ? { outcome: 'failed', reason: 'it answered 500' } : { outcome: 'filled' }) })
  await settle()
  t.strictSame(logger.lines.splice(0), ['warn warming on start failed'])
  t.match(logger.details[0], { err: { message: 'no database' } })
  fault = undefined
  await time.pass(MINUTE)
  t.strictSame(logger.lines, ['warn warming on schedule failed for some targets'])
  t.match(logger.details[1], { cache: { warmed: { filled: 1, failed: 1 }, failures: [{ target: '/a', reason: 'it answered 500' }] } })
  t.equal(app.fills.length, 2)
})

/** Leases that are asked for by hand. */
function leasesOf (acquire: () => Promise<LeaseAnswer>): Leases {
  return { acquire }
}

t.test('when nobody can be chosen it is logged once, and nothing is done', async (t) => {
  const faults: Array<Error | undefined> = [new Error('away'), new Error('away'), undefined, new Error('away')]
  const { time, app, logger } = begin(t, { targets: ['/a'], every: '1m' }, {
    leases: leasesOf(async () => {
      const fault = faults.shift()
      if (fault !== undefined) throw fault
      return { outcome: 'granted', lease: { isLost: false, async release () {} } }
    })
  })
  await settle()
  await time.pass(4 * MINUTE)
  t.equal(app.fills.length, 2)
  t.equal(logger.lines.filter((line) => line.startsWith('warn nothing is warmed')).length, 2)
})

t.test('close() ends what runs and the schedule, and is no failure', async (t) => {
  const app = recordingApp(async () => await new Promise(() => {}))
  const { time, logger, warmer } = begin(t, { targets: ['/a', '/b', '/c'], every: '1m' }, { app })
  await settle()
  warmer.close()
  await settle()
  t.ok(app.fills.every(({ signal }) => signal.aborted))
  await time.pass(10 * MINUTE)
  t.equal(app.fills.length, 2)
  t.strictSame(logger.lines, [])
  t.equal(time.waiting, 0)
  await t.rejects(warmer.warm(['/a']), { code: 'RESPONSE_CACHE_ERR_CLOSED' })
  warmer.start(warmSettings(['/a'], 'the plugin options'))
  await settle()
  t.equal(app.fills.length, 2)
})

t.test('a lease that is granted after close() is given back at once', async (t) => {
  let give = (_answer: LeaseAnswer): void => {}
  const released: unknown[] = []
  const { time, app, logger, warmer } = begin(t, { targets: ['/a'], every: '1m' }, { leases: leasesOf(async () => await new Promise((resolve) => { give = resolve })) })
  await settle()
  await time.pass(MINUTE)
  warmer.close()
  give({ outcome: 'granted', lease: { isLost: false, async release (_how, options) { released.push(options) } } })
  await settle()
  t.equal(app.fills.length, 1)
  t.strictSame(released, [{}])
  t.strictSame(logger.lines, ['info warmed on start'])
})

t.test('a process that closes while it warms is replaced at the next interval', async (t) => {
  const time = new Timeline()
  const leases = new LocalLeases({ clock: () => time.now })
  const hanging = recordingApp(async () => hanging.fills.length > 1 ? await new Promise(() => {}) : { outcome: 'filled' })
  const { warmer } = begin(t, { targets: ['/a'], every: '1m' }, { time, leases, app: hanging })
  await settle()
  await time.pass(1000)
  const { app } = begin(t, { targets: ['/a'], every: '1m' }, { time, leases })
  await settle()
  await time.pass(MINUTE - 500)
  t.equal(hanging.fills.length, 2)
  warmer.close()
  await settle()
  await time.pass(500)
  t.equal(app.fills.length, 2)
})

t.test('without targets nothing is done', async (t) => {
  const { time, logger } = begin(t, { countHits: true })
  await settle()
  t.strictSame(logger.lines, [])
  t.equal(time.waiting, 0)
})

t.test('of two processes with one Redis one warms at each interval, and the other goes on when it ends', async (t) => {
  const { client, url, prefix } = await useRedis(t)
  const time = new Timeline()
  const start = async () => begin(t, { targets: ['/a'], every: '1s' }, { time, leases: (await openLeases(t, { url, prefix })).leases })
  const [a, b] = [await start(), await start()]
  await settle()
  const runs = (): number => a.app.fills.length + b.app.fills.length - 2
  /** Time passes as it does in the server, which has its own. */
  const interval = async (): Promise<void> => {
    await until(async () => await client.exists(`${prefix}:lease:warm`) === 0)
    const before = runs()
    await time.pass(1000)
    await until(async () => (await client.get(`${prefix}:lease:warm`))?.startsWith('r:') === true)
    t.equal(runs(), before + 1)
    await time.pass(1)
  }
  for (let i = 0; i < 3; i++) await interval()
  const [dead, alive] = a.app.fills.length > 1 ? [a, b] : [b, a]
  dead.warmer.close()
  const [deadRuns, aliveRuns] = [dead.app.fills.length, alive.app.fills.length]
  await interval()
  t.equal(dead.app.fills.length, deadRuns)
  t.equal(alive.app.fills.length, aliveRuns + 1)
})
