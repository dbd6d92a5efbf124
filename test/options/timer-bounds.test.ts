import { test } from 'tap'
import { twoProcesses, until } from '../freshness/scene.ts'
import { appWith, appWithRoute } from './apps.ts'

/** Timers of Node that are to take longer fire at once. */
const LONGEST_MS = 2 ** 31 - 1

const settings: Record<string, (ms: number) => object> = {
  softTimeout: (ms) => ({ staleIfError: '1h', softTimeout: ms / 1000 }),
  hardTimeout: (ms) => ({ hardTimeout: ms / 1000 }),
  'lock.waitMs': (ms) => ({ lock: { waitMs: ms } }),
  'lock.leaseMs': (ms) => ({ lock: { leaseMs: ms } })
}

for (const [name, options] of Object.entries(settings)) {
  test(`${name} is refused when no timer can wait for so long, wherever it is set`, async (t) => {
    const tooLong = options(LONGEST_MS + 1)
    const places = {
      route: () => appWithRoute(t, { ttl: 60, ...tooLong }),
      defaults: () => appWith(t, { defaults: tooLong }),
      namespaces: () => appWith(t, { namespaces: { slow: tooLong } })
    }
    for (const [place, register] of Object.entries(places)) {
      const error = await register().then(() => undefined, (error: unknown) => error)
      t.ok(error instanceof TypeError, place)
      t.match(error, { code: 'RESPONSE_CACHE_ERR_OPTION_INVALID', message: /(25 days|2147483647)/ }, place)
      t.match((error as Error | undefined)?.message, `"${name.split('.').at(-1)!}"`, place)
    }
  })

  test(`${name} may be as long as a timer can wait`, async (t) => {
    t.ok(await (await appWithRoute(t, { ttl: 60, ...options(LONGEST_MS) })).ready())
  })
}

for (const words of ['30d', '25 days']) {
  test(`a hardTimeout of ${words} is refused`, async (t) => {
    await t.rejects(appWithRoute(t, { ttl: 60, hardTimeout: words }), { code: 'RESPONSE_CACHE_ERR_OPTION_INVALID' })
  })
}

const longest: Record<string, object> = {
  'lock.waitMs': { lock: { waitMs: LONGEST_MS } },
  hardTimeout: { hardTimeout: LONGEST_MS / 1000 }
}

for (const [name, options] of Object.entries(longest)) {
  test(`with the longest ${name} those who wait do wait, in whichever process`, async (t) => {
    const warnings: string[] = []
    const note = ({ name }: Error): void => { warnings.push(name) }
    process.on('warning', note)
    t.teardown(() => { process.off('warning', note) })
    const [one, other] = await twoProcesses(t, options)
    const asked = [one.ask('/')]
    const run = await one.origin.run(1)
    asked.push(one.ask('/'), other.ask('/'))
    await other.arrived(1)
    const startedAt = performance.now()
    await until(() => performance.now() - startedAt > 30, 'time for timers that fire at once')
    t.equal(one.origin.runs.length, 1)
    for (const begun of one.origin.runs) begun.answer('made')
    one.origin.answers(() => 'made')
    run.answer('made')
    for (const { status, text } of await Promise.all(asked)) t.strictSame([status, text], [200, 'made'])
    t.equal(one.origin.runs.length, 1)
    t.strictSame(warnings.filter((warning) => warning === 'TimeoutOverflowWarning'), [])
  })
}
