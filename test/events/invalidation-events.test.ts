import { setTimeout as wait } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { EventListener, EventLog } from '../../lib/events/event-log.ts'
import { InvalidationEvents } from '../../lib/events/invalidation-events.ts'
import { ALL, tagLabel } from '../../lib/marks/labels.ts'
import { until } from './scene.ts'

interface Line {
  readonly level: 'info' | 'warn' | 'error'
  readonly details: { cache?: { id?: string, event?: string, state?: string, text?: string }, err?: Error }
  readonly text: string
}

interface Scene {
  readonly events: InvalidationEvents
  /** Labels of each call that was confirmed. */
  readonly marked: string[][]
  readonly appended: string[]
  readonly lines: Line[]
  readonly listener: () => EventListener
  /** Gives these texts as messages `1-0`, `2-0` … */
  give (...texts: Array<string | undefined>): Promise<void>
  failing: 'marks' | 'log' | undefined
  follows: number
}

/** The events of one process, with a log and marks that are played by the test. */
function scene (t: Test, { handlerMs }: { handlerMs?: number } = {}): Scene {
  let listener: EventListener | undefined
  let given = 0
  const log: EventLog = {
    async append (json) {
      if (one.failing === 'log') throw new Error('no log')
      one.appended.push(json)
    },
    follow (follower) {
      listener = follower
      one.follows++
      return { ready: Promise.resolve(), async close () {} }
    }
  }
  const line = (level: Line['level']) => (details: Line['details'], text: string): void => { one.lines.push({ level, details, text }) }
  const events = new InvalidationEvents({
    log,
    logger: { info: line('info'), warn: line('warn'), error: line('error') },
    mark: async (labels) => {
      if (one.failing === 'marks') throw new Error('no marks')
      one.marked.push([...labels])
    },
    ...(handlerMs === undefined ? {} : { handlerMs })
  })
  const one: Scene = {
    events,
    marked: [],
    appended: [],
    lines: [],
    listener: () => listener!,
    give: async (...texts) => { await listener!.onMessages(texts.map((json) => ({ id: `${++given}-0`, json }))) },
    failing: undefined,
    follows: 0
  }
  t.teardown(async () => { await events.close() })
  return one
}

const message = (event: string, data: unknown): string => JSON.stringify({ event, data })
const [X, Y, Z] = ['x', 'y', 'z'].map(tagLabel) as [string, string, string]
const byTag = (tag: string) => ({ tags: [tag] })

t.test('all handlers of an event are asked, and what they name is marked in one call', async (t) => {
  const one = scene(t)
  one.events.on('a', byTag)
  one.events.on('a', async () => ({ tags: ['y'] }))
  one.events.on('b', () => ({ tags: ['never'] }))
  for (const nothing of [undefined, null, {}, { tags: [] }]) one.events.on('a', () => nothing)
  await one.give(message('a', 'x'))
  t.strictSame(one.marked, [[X, Y]])
})

t.test('messages that come together are marked together, each label once', async (t) => {
  const one = scene(t)
  one.events.on('a', byTag)
  await one.give(message('a', 'x'), message('a', 'y'), message('a', 'x'))
  t.strictSame(one.marked, [[X, Y]])
})

t.test('very many labels are marked in several calls', async (t) => {
  const one = scene(t)
  one.events.on('a', () => ({ tags: Array.from({ length: 2500 }, (_, at) => String(at)) }))
  await one.give(message('a', 0))
  t.strictSame(one.marked.map(({ length }) => length), [1000, 1000, 500])
})

t.test('events that nobody listens to are skipped without a word', async (t) => {
  const one = scene(t)
  one.events.on('a', byTag)
  await one.give(message('b', 'x'), message('__proto__', 'x'), message('toString', 'x'))
  t.strictSame([one.marked, one.lines], [[], []])
})

t.test('a bad message is logged once and dropped, the others beside it and after it are handled', async (t) => {
  const one = scene(t)
  one.events.on('a', byTag)
  const bad = [undefined, '', '{', 'x'.repeat(5000), 'null', '7', '"a"', '[]', '{}', '{"event":7}', '{"event":""}', '{"event":["a"]}']
  await one.give(...bad, message('a', 'x'))
  await one.give(message('a', 'y'))
  t.strictSame(one.marked, [[X], [Y]])
  t.equal(one.lines.length, bad.length)
  for (const { level, details, text } of one.lines) {
    t.equal(level, 'warn')
    t.match(details.cache?.id, /^\d+-0$/)
    t.match(text, /^an event was dropped: expected /)
    t.ok(details.cache!.text!.length < 300, 'not all of it')
  }
})

t.test('a handler that fails is logged with its event, and takes nothing from other handlers and messages', async (t) => {
  const one = scene(t, { handlerMs: 20 })
  const failing: Array<() => unknown> = [
    () => { throw new Error('broken') },
    async () => { throw new Error('broken later') },
    () => new Promise(() => {}),
    () => ({ tags: 'x' }),
    () => ({ tags: [''] }),
    () => ({ tag: ['x'] }),
    () => [],
    () => 'x',
    () => ({ patterns: [undefined] })
  ]
  for (const handler of failing) one.events.on('a', handler as () => undefined)
  one.events.on('a', byTag)
  await Promise.all([one.give(message('a', 'x')), wait(100)]) // a deadline alone keeps no process alive
  t.strictSame(one.marked, [[X]])
  t.equal(one.lines.length, failing.length)
  for (const { level, details } of one.lines) {
    t.equal(level, 'error')
    t.match(details.cache, { id: '1-0', event: 'a' })
    t.ok(details.err instanceof Error)
  }
})

t.test('marks that are not confirmed are tried again, without asking the handlers again', async (t) => {
  const one = scene(t)
  let asked = 0
  one.events.on('a', (tag: string) => {
    asked++
    return { tags: [tag] }
  })
  one.failing = 'marks'
  let isHandled = false
  const handled = one.give(message('a', 'x')).then(() => { isHandled = true })
  await new Promise((resolve) => { setImmediate(resolve) })
  t.notOk(isHandled)
  one.failing = undefined
  await handled
  t.strictSame([one.marked, asked], [[[X]], 1])
})

t.test('closing ends trying, and what was not marked is not handled', async (t) => {
  const one = scene(t)
  one.events.on('a', byTag)
  one.failing = 'marks'
  const handled = one.give(message('a', 'x'))
  const gap = one.listener().onGap()
  await Promise.all([t.rejects(handled), t.rejects(gap), one.events.close()])
})

t.test('after a gap everything is invalidated, also when the marks fail at first', async (t) => {
  const one = scene(t)
  one.events.on('a', byTag)
  one.failing = 'marks'
  const handled = one.listener().onGap()
  await until('it is logged', () => one.lines.length > 0)
  one.failing = undefined
  await handled
  t.strictSame(one.marked, [[ALL]])
  t.equal(one.lines[0]?.level, 'warn')
})

t.test('a log that cannot be read, and can again, is one line each', async (t) => {
  const one = scene(t)
  one.events.on('a', byTag)
  one.listener().onFollowing()
  t.strictSame(one.lines, [], 'the first time is nothing to tell')
  one.listener().onLost(new Error('gone'))
  one.listener().onFollowing()
  t.match(one.lines, [{ level: 'warn', text: /cannot be read/, details: { err: Error } }, { level: 'info', text: /read again/ }])
})

t.test('publish marks what the handlers of this process name, then writes for the others', async (t) => {
  const one = scene(t)
  const got: unknown[] = []
  one.events.on('a', (data) => {
    got.push(data)
    return { tags: ['x'] }
  })
  const at = new Date(0)
  await one.events.publish('a', { at, left: undefined })
  t.strictSame(got, [{ at: '1970-01-01T00:00:00.000Z' }], 'what others get')
  t.strictSame(one.marked, [[X]])
  t.strictSame(one.appended, ['{"event":"a","data":{"at":"1970-01-01T00:00:00.000Z"},"counted":true}'], 'and that it is counted here')
  await one.events.publish('b')
  t.equal(one.appended[1], '{"event":"b"}', 'which it is not where nothing is named')
  one.failing = 'marks'
  await t.rejects(one.events.publish('a', 1), { message: 'no marks' })
  t.equal(one.appended.length, 3, 'the others hear of it all the same')
  one.failing = 'log'
  await t.rejects(one.events.publish('a', 1), { message: 'no log' })
})

t.test('publish resolves although a handler of this process fails, which is logged', async (t) => {
  const one = scene(t)
  one.events.on('a', () => { throw new Error('broken') })
  await one.events.publish('a', 1)
  t.equal(one.appended.length, 1)
  t.match(one.lines, [{ level: 'error', details: { cache: { event: 'a' } } }])
})

t.test('what is no event, or nothing that JSON can say, is an error that says so', async (t) => {
  const one = scene(t)
  for (const name of ['', 7, undefined, null, {}] as string[]) {
    t.throws(() => one.events.on(name, byTag), { code: 'RESPONSE_CACHE_ERR_TARGET_INVALID', message: /"event" in invalidateOn\(\): expected a text/ })
    await t.rejects(one.events.publish(name, 1), { code: 'RESPONSE_CACHE_ERR_TARGET_INVALID', message: /"event" in publish\(\): expected a text/ })
  }
  t.throws(() => one.events.on('a', 'x' as unknown as typeof byTag), { code: 'RESPONSE_CACHE_ERR_TARGET_INVALID' })
  const circle: Record<string, unknown> = {}
  circle.self = circle
  for (const data of [1n, circle, () => 1, Symbol('x')]) {
    await t.rejects(one.events.publish('a', data), { code: 'RESPONSE_CACHE_ERR_TARGET_INVALID', message: /"data" in publish\(\) of "a": expected something that JSON can say/ })
  }
  t.strictSame([one.appended, one.follows], [[], 0])
})

t.test('the log is followed from the first handler on, once', async (t) => {
  const one = scene(t)
  await one.events.ready()
  await one.events.publish('a', 'x')
  t.equal(one.follows, 0)
  one.events.on('a', byTag)
  one.events.on('b', byTag)
  await one.events.ready()
  t.equal(one.follows, 1)
})

t.test('a handler that has ended is not asked, the same function registered twice ends once each', async (t) => {
  const one = scene(t)
  const [first, second] = [one.events.on('a', byTag), one.events.on('a', byTag)]
  first()
  first()
  await one.give(message('a', 'x'))
  second()
  await one.give(message('a', 'y'))
  one.events.on('a', byTag)
  second()
  await one.give(message('a', 'z'))
  t.strictSame(one.marked, [[X], [Z]])
})

t.test('without a log, publish asks the handlers of this process', async (t) => {
  const marked: string[] = []
  const warned: object[] = []
  const events = new InvalidationEvents({
    mark: async (labels) => { marked.push(...labels) },
    logger: { info () {}, warn (details) { warned.push(details) } }
  })
  events.on('a', byTag)
  events.on('b', () => { throw new Error('broken') })
  await events.ready()
  await events.publish('a', 'x')
  await events.publish('b')
  await events.close()
  t.strictSame(marked, [X])
  t.equal(warned.length, 1, 'a logger without error warns')
})

t.test('what events invalidate is told by the first that asks, who asks again until it knows; what is counted already is told by nobody', async (t) => {
  const told: unknown[] = []
  const asked: string[] = []
  let faults = 2
  let listener: EventListener | undefined
  const events = new InvalidationEvents({
    log: {
      append () {},
      follow (follower) {
        listener = follower
        return { ready: Promise.resolve(), async close () {} }
      }
    },
    logger: { info () {}, warn () {} },
    mark: async () => {},
    onInvalidated: ({ event, targets, labels, isConfirmed }) => { told.push({ event, targets, labels, isConfirmed }) },
    isFirst: async (id) => {
      asked.push(id)
      if (faults-- > 0) throw new Error('no answer')
      return id !== 'second'
    }
  })
  t.teardown(() => events.close())
  events.on('a', byTag)
  await listener!.onMessages([{ id: 'first', json: message('a', 'x') }])
  await until('told', () => told.length === 1)
  await listener!.onMessages([{ id: 'second', json: message('a', 'y') }, { id: 'third', json: '{"event":"a","data":"z","counted":true}' }, { id: 'fourth', json: message('b', 'x') }, { id: 'fifth', json: message('a', 'z') }])
  await until('told', () => told.length === 2)
  t.strictSame(told, [{ event: 'a', targets: { tags: ['x'] }, labels: 1, isConfirmed: true }, { event: 'a', targets: { tags: ['z'] }, labels: 1, isConfirmed: true }])
  t.strictSame(asked, ['first', 'first', 'first', 'second', 'fifth'])
})
