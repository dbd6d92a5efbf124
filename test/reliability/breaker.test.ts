import { test } from 'tap'
import { Breaker, type BreakerOptions, type BreakerState } from '../../lib/store/breaker.ts'

const fault = new Error('away')

function scene (options: Partial<BreakerOptions> = {}) {
  const at = { now: 0 }
  const states: BreakerState[] = []
  const breaker = new Breaker({ failures: 3, openMs: 1000, now: () => at.now, random: () => 0.5, onChange: (state) => { states.push(state) }, ...options })
  const fail = (times: number): void => { for (let i = 0; i < times; i++) breaker.failed(fault) }
  const answer = (times: number): void => { for (let i = 0; i < times; i++) breaker.answered() }
  return { at, breaker, states, fail, answer }
}

test('failures in a row open it, however far apart they are', async (t) => {
  const { at, breaker, fail, answer } = scene()
  fail(2)
  answer(1)
  fail(2)
  t.equal(breaker.admits(), true, 'an answer between them speaks for the store')
  at.now += 3_600_000
  fail(1)
  t.strictSame([breaker.admits(), breaker.state], [false, 'open'])
})

test('half of many operations in a second open it', async (t) => {
  const { breaker, fail, answer } = scene()
  for (let i = 0; i < 9; i++) {
    fail(1)
    answer(1)
  }
  t.equal(breaker.state, 'closed', 'of 18 operations it says nothing')
  fail(1)
  answer(1)
  fail(1)
  t.equal(breaker.state, 'open')
})

test('exactly half of them is enough', async (t) => {
  const { breaker, fail, answer } = scene({ failures: 100 })
  fail(1)
  answer(2)
  for (let i = 0; i < 8; i++) {
    fail(1)
    answer(1)
  }
  t.equal(breaker.state, 'closed', '9 of 19')
  fail(1)
  t.equal(breaker.state, 'open', '10 of 20')
})

test('what failed before it was open is forgotten when it works again', async (t) => {
  const { at, breaker, fail } = scene({ failures: 100, openMs: 100 })
  fail(20)
  t.equal(breaker.state, 'open')
  at.now += 100
  t.equal(breaker.admits(), true)
  breaker.answered()
  fail(19)
  t.equal(breaker.state, 'closed', '19 failures in the second in which there were 20 before')
  fail(1)
  t.equal(breaker.state, 'open')
})

test('who hears that something has changed need not wait', async (t) => {
  const { breaker, states, fail } = scene()
  breaker.retry()
  t.equal(breaker.admits(), true, 'a closed one stays so')
  fail(3)
  t.strictSame([breaker.admits(), breaker.isDue], [false, false])
  breaker.retry()
  t.strictSame([breaker.isDue, breaker.admits(), breaker.admits()], [true, true, false], 'one tries')
  breaker.failed(fault)
  t.equal(breaker.admits(), false, 'and then it waits as before')
  t.strictSame(states, ['open', 'half-open', 'open'])
})

test('a few failures among many answers do not open it, and old ones are forgotten', async (t) => {
  const { at, breaker, fail, answer } = scene()
  for (let i = 0; i < 200; i++) {
    fail(1)
    answer(3)
    at.now += 10
  }
  t.equal(breaker.state, 'closed')
  answer(100_000)
  at.now += 1000
  for (let i = 0; i < 11; i++) {
    fail(1)
    answer(1)
  }
  t.equal(breaker.state, 'open', 'the answers of before are not counted')
})

test('while it is open nothing is tried, then one operation is, which decides', async (t) => {
  const { at, breaker, states, fail } = scene()
  fail(3)
  at.now += 999
  t.equal(breaker.admits(), false)
  at.now += 1
  t.equal(breaker.admits(), true, 'the one that tries')
  t.equal(breaker.admits(), false, 'only one')
  breaker.failed(fault)
  t.strictSame([breaker.admits(), breaker.state], [false, 'open'])
  at.now += 1000
  t.equal(breaker.admits(), true)
  breaker.answered()
  t.equal(breaker.admits(), true)
  t.strictSame(states, ['open', 'half-open', 'open', 'half-open', 'closed'])
})

test('with a probe no operation has to try', async (t) => {
  let settle: { resolve (): void, reject (fault: unknown): void } | undefined
  let probes = 0
  const { at, breaker, fail } = scene({
    probe: () => {
      probes++
      return new Promise((resolve, reject) => { settle = { resolve, reject } })
    }
  })
  fail(3)
  at.now += 1000
  t.strictSame([breaker.admits(), breaker.admits(), probes], [false, false, 1])
  settle!.reject(fault)
  await Promise.resolve()
  await Promise.resolve()
  t.equal(breaker.state, 'open')
  at.now += 1000
  breaker.admits()
  settle!.resolve()
  await Promise.resolve()
  t.strictSame([breaker.admits(), probes], [true, 2])
})

test('processes that lost a store at once do not come back at once', async (t) => {
  const opened = [0, 0.5, 1].map((random) => {
    const { at, breaker, fail } = scene({ random: () => random })
    fail(3)
    while (!breaker.admits()) at.now++
    return at.now
  })
  t.strictSame(opened, [750, 1000, 1250])
})

test('what failed before it opened does not keep it open longer', async (t) => {
  const { at, breaker, fail } = scene()
  fail(3)
  at.now += 900
  fail(10)
  at.now += 100
  t.equal(breaker.admits(), true)
})
