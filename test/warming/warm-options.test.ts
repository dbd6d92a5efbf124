import t from 'tap'
import { warmSettings, type WarmPluginOption } from '../../lib/warming/warm-options.ts'

const settings = (option: unknown) => warmSettings(option as WarmPluginOption, 'the options')

t.test('a list means on start only, two at a time', async (t) => {
  t.strictSame(settings(['/a']), { targets: ['/a'], concurrency: 2, headers: {}, everyMs: undefined, countHits: false })
})

t.test('the long form says all of it', async (t) => {
  const targets = () => ['/a']
  t.strictSame(settings({ targets, concurrency: 4, headers: { Host: 'example.com' }, every: '5m', countHits: true }),
    { targets, concurrency: 4, headers: { host: 'example.com' }, everyMs: 300_000, countHits: true })
  t.match(settings({ countHits: true }), { targets: undefined, countHits: true })
})

t.test('hits are counted when the list asks for the hottest, or the option says so', async (t) => {
  t.equal(settings(['/a', { hottest: 5 }]).countHits, true)
  t.equal(settings({ targets: [{ hottest: 5 }], every: '1m' }).countHits, true)
  t.equal(settings({ targets: [{ hottest: 5 }], countHits: false }).countHits, false)
  t.equal(settings({ targets: () => [{ hottest: 5 }] }).countHits, false)
})

t.test('a list that is changed afterwards changes nothing', async (t) => {
  const list = ['/a']
  const { targets } = settings(list)
  list.push('nonsense')
  t.strictSame(targets, ['/a'])
})

t.test('what cannot be meant is refused', async (t) => {
  const wrong: Array<[unknown, string]> = [
    [['a'], 'TARGET_INVALID'],
    [{ targets: ['/a', 'b'] }, 'TARGET_INVALID'],
    [{ targets: '/a' }, 'OPTION_INVALID'],
    [{ targets: ['/a'].values() }, 'OPTION_INVALID'],
    [{ targets: ['/a'], every: 0 }, 'OPTION_INVALID'],
    [{ targets: ['/a'], every: '500ms' }, 'OPTION_INVALID'],
    [{ targets: ['/a'], every: '25d' }, 'OPTION_INVALID'],
    [{ targets: ['/a'], every: '300' }, 'OPTION_INVALID'],
    [{ every: '5m' }, 'OPTION_INVALID'],
    [{ targets: ['/a'], concurrency: 0 }, 'OPTION_INVALID'],
    [{ targets: ['/a'], headers: { 'a b': 'c' } }, 'OPTION_INVALID'],
    [{ target: ['/a'] }, 'OPTION_UNKNOWN'],
    [true, 'OPTION_INVALID']
  ]
  for (const [option, code] of wrong) {
    t.throws(() => settings(option), { code: `RESPONSE_CACHE_ERR_${code}` }, JSON.stringify(option))
  }
  t.throws(() => settings({ targets: ['/a'], every: '1ms' }), { message: 'Invalid option "every" in warm in the options: expected a duration from 1 second (\'1s\') to 24 days (\'24d\'), got "1ms" (string).' })
})
