import t from 'tap'
import { ProgressBar } from '../../lib/warming/progress-bar.ts'
import { LocalLeases } from '../../lib/leases.ts'
import { Warmer } from '../../lib/warming/warmer.ts'
import { noValues, recordingApp, recordingLogger } from './doubles.ts'

function screen (columns: number | undefined) {
  const written: string[] = []
  return {
    ...(columns === undefined ? {} : { columns }),
    write (text: string) { written.push(text) },
    /** What is to be read, line by line, without what was drawn over. */
    get lines () {
      return written.join('').split('\n').map((line) => line.slice(line.lastIndexOf('\x1b[K') + 1 && line.lastIndexOf('\x1b[K') + 3))
    },
    written
  }
}

t.test('the bar is as long as there is room, and never fills the line', async (t) => {
  const expected: Array<[number | undefined, string]> = [
    [undefined, `Warming ${'█'.repeat(15)}${'░'.repeat(15)} 60 of 120, 3 failed`],
    [40, 'Warming ██████░░░░░ 60 of 120, 3 failed'],
    [30, 'Warming 60 of 120, 3 failed'],
    [12, 'Warming 60 ']
  ]
  for (const [columns, line] of expected) {
    const terminal = screen(columns)
    new ProgressBar(terminal).update({ done: 60, total: 120, failed: 3, target: '/a' })
    t.equal(terminal.lines.at(-1), line)
    t.ok(line.length < (columns ?? 80))
  }
})

t.test('without a total there are numbers only', async (t) => {
  const terminal = screen(80)
  new ProgressBar(terminal).update({ done: 60, total: undefined, failed: 0, target: '/a' })
  t.strictSame(terminal.lines, ['Warming 60'])
})

t.test('it is drawn ten times a second at most', async (t) => {
  let now = 0
  const terminal = screen(80)
  const bar = new ProgressBar(terminal, () => now)
  for (let done = 1; done <= 1000; done++) {
    now += 1
    bar.update({ done, total: 1000, failed: 0, target: '/a' })
  }
  t.equal(terminal.written.length, 10)
})

t.test('on a terminal warm() shows a bar that becomes a line of results', async (t) => {
  const terminal = screen(80)
  const app = recordingApp(async ({ url }) => url === '/b' ? { outcome: 'failed', reason: 'no' } : { outcome: 'filled' })
  const warmer = new Warmer({ app, getOrSet: noValues, leases: new LocalLeases({ clock: Date.now }), logger: recordingLogger(), terminal })
  t.teardown(() => { warmer.close() })
  await warmer.warm(['/a', '/b', '/c'])
  t.match(terminal.written[0], /Warming █{10}░{20} 1 of 3$/)
  t.strictSame(terminal.lines, ['Warmed 3: 2 filled, 0 fresh, 1 failed', ''])
})

t.test('when warm() rejects nothing of the bar is left', async (t) => {
  const terminal = screen(80)
  const warmer = new Warmer({ app: recordingApp(), getOrSet: noValues, leases: new LocalLeases({ clock: Date.now }), logger: recordingLogger(), terminal })
  t.teardown(() => { warmer.close() })
  await t.rejects(warmer.warm((async function * () { yield '/a'; throw new Error('no database') }()), { concurrency: 1 }))
  t.ok(terminal.written.length > 0)
  t.strictSame(terminal.lines, [''])
  terminal.written.length = 0
  await t.rejects(warmer.warm(['a']))
  t.strictSame(terminal.written, [], 'nothing was drawn, nothing is erased')
})

t.test('with onProgress, or false, there is no bar, and none on start', async (t) => {
  const terminal = screen(80)
  const app = recordingApp()
  const warmer = new Warmer({ app, getOrSet: noValues, leases: new LocalLeases({ clock: Date.now }), logger: recordingLogger(), terminal })
  t.teardown(() => { warmer.close() })
  let told = 0
  await warmer.warm(['/a'], { onProgress: () => { told++ } })
  await warmer.warm(['/a'], { onProgress: false })
  warmer.start({ targets: ['/a'], concurrency: 1, headers: {}, everyMs: undefined, countHits: false })
  await new Promise((resolve) => { setImmediate(resolve) })
  t.equal(told, 1)
  t.equal(app.fills.length, 3)
  t.strictSame(terminal.written, [])
})
