import { setImmediate, setTimeout } from 'node:timers/promises'
import { test } from 'tap'
import { inTime, LateError, timer } from '../../lib/deadline.ts'

/** Keeps the event loop from everything else. */
function beBusy (ms: number): void {
  const endsAt = performance.now() + ms
  while (performance.now() < endsAt);
}

test('what does not come in time rejects, when its time is over and not much later', async (t) => {
  const startedAt = performance.now()
  await t.rejects(inTime(30, new Promise(() => {})), new LateError(30))
  const ms = performance.now() - startedAt
  t.ok(ms >= 29 && ms < 500, `${ms} ms`)
})

test('who is not busy waits no longer than its time', async (t) => {
  const times: number[] = []
  // Others may take the processor from one of them.
  while (times.length < 20 && !times.some((ms) => ms < 150)) {
    const startedAt = performance.now()
    await inTime(100, new Promise(() => {})).catch(() => {}) // it is late, which is what is measured
    times.push(performance.now() - startedAt)
  }
  t.ok(Math.min(...times) < 150, `${times.map(Math.round).join(', ')} ms`)
})

test('who was busy has a tenth of a second more, not as long as a long time once more', async (t) => {
  const startedAt = performance.now()
  const late = inTime(1000, new Promise(() => {})).catch((fault: unknown) => fault)
  beBusy(1050)
  t.match(await late, { name: 'LateError' })
  const ms = performance.now() - startedAt
  t.ok(ms > 1100 && ms < 1800, `${ms} ms`)
})

test('a timer that is cleared never fires, also when that is in the turn in which it was about to', async (t) => {
  const fired: string[] = []
  const [cleared, aboutToFire] = ['cleared', 'about to fire'].map((name) => timer(20, () => { fired.push(name) }))
  cleared!.clear()
  const inSameTurn = setTimeout(20).then(() => { aboutToFire!.clear() })
  beBusy(60) // both timers are due, and run one after the other
  await inSameTurn
  await setTimeout(200) // above the 20 ms, and the 20 more that a busy process gets: nothing tells that nothing comes
  t.strictSame(fired, [])
})

test('what came keeps no timer, and who waits idly keeps no process alive, however busy it was', async (t) => {
  const before = timersThatKeepAlive()
  t.equal(await inTime(8000, Promise.resolve('here')), 'here')
  await t.rejects(inTime(8000, Promise.reject(new Error('away'))), /away/)
  const waiting = inTime(8000, new Promise(() => {}), { idle: true })
  waiting.catch(() => {}) // it ends with the process
  const busy = timer(100, () => {})
  busy.unref()
  beBusy(150)
  for (let turn = 0; turn < 5; turn++) await setImmediate() // now it has its time again
  t.equal(timersThatKeepAlive(), before)
  busy.clear()
})

function timersThatKeepAlive (): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
}

test('an answer that could not be read because this process was busy is in time', async (t) => {
  const answer = inTime(20, setTimeout(10, 'here'))
  beBusy(60)
  t.equal(await answer, 'here')
})

test('a question that could not be asked because this process was busy has its time', async (t) => {
  const asked = (async () => {
    await setTimeout(1)
    beBusy(60) // the answer to a first question was there, and could not be read
    await setTimeout(5)
    return 'here'
  })()
  t.equal(await inTime(20, asked), 'here')
})

test('a process that is busy all the time waits for what never comes no longer than it was busy and its time again', async (t) => {
  let isOver = false
  const startedAt = performance.now()
  const late = inTime(50, new Promise(() => {})).catch((fault: unknown) => fault).finally(() => { isOver = true })
  const isPending = (): boolean => !isOver
  while (isPending() && performance.now() - startedAt < 2000) {
    beBusy(40)
    await setImmediate()
  }
  if (isPending()) return t.fail(`still waiting after ${performance.now() - startedAt} ms`)
  t.match(await late, { name: 'LateError' })
  t.ok(performance.now() - startedAt < 1000)
})
