import { PassThrough, Readable } from 'node:stream'
import { test } from 'tap'
import { openConnection, openPaused } from '../plugin/connection.ts'
import { inEveryStore, leave, said, scene, turns, twoProcesses, until } from './scene.ts'

const PART = Buffer.alloc(100_000, 'x')
const PARTS = 200
/** So long that nobody who is not woken would be done in time. */
const PATIENT = { lock: { waitMs: 600_000, leaseMs: 60_000 } }

test('who waits for a stream does not wait for the client that reads it slowly', async (t) => {
  const site = await scene(t, { maxBytes: PARTS * PART.length, lock: { waitMs: 60_000 } })
  site.origin.answers(() => Readable.from(Array.from({ length: PARTS }, () => PART)))
  const slow = await openPaused(t, site.port, '/') // more than the buffers of a connection hold
  await site.origin.run(1)
  await turns(site.app)
  const other = await site.ask('/')
  t.match([other.status, other.field('x-cache'), other.body.length, site.origin.runs.length], [200, 'HIT', PARTS * PART.length, 1])
  slow.destroy()
})

test('who waits in another process does not wait for that client either', async (t) => {
  const [one, other] = await twoProcesses(t, { maxBytes: PARTS * PART.length, lock: { waitMs: 15_000 } })
  one.origin.answers(() => Readable.from(Array.from({ length: PARTS }, () => PART)))
  const slow = await openPaused(t, one.port, '/')
  await one.origin.run(1)
  await turns(one.app)
  const { status, body, field } = await other.ask('/')
  t.match([status, field('x-cache'), body.length, one.origin.runs.length], [200, 'HIT', PARTS * PART.length, 1])
  slow.destroy()
})

test('a stream is read to its end for those who wait, although its own client has gone', async (t) => {
  const site = await scene(t, PATIENT)
  const stream = new PassThrough()
  const leader = await openConnection(t, site.port, '/')
  const run = await site.origin.run(1)
  run.answer(stream)
  stream.write('one ')
  await leader.until('one ')
  const waiting = site.ask('/')
  await site.arrived(2)
  await leave(leader, run)
  stream.end('two')
  t.match(said(await waiting), { text: 'one two', cache: 'HIT', why: 'fwd=uri-miss; collapsed' })
  t.match(said(await site.ask('/')), { text: 'one two', cache: 'HIT' })
  t.equal(site.origin.runs.length, 1)
})

inEveryStore('who comes while a stream is being sent is given all of it when it has ended', async (t, cache) => {
  const site = await scene(t, PATIENT, { cache })
  const stream = new PassThrough()
  const leader = await openConnection(t, site.port, '/')
  ;(await site.origin.run(1)).answer(stream)
  stream.write('one ')
  await leader.until('one ')
  const waiting = site.ask('/')
  await site.arrived(2)
  stream.end('two')
  t.match(said(await waiting), { text: 'one two', cache: 'HIT', why: 'fwd=uri-miss; collapsed' })
  t.match(await leader.end(), 'two')
  t.equal(site.origin.runs.length, 1)
})

test('a stream is waited for in another process too', async (t) => {
  const [one, other] = await twoProcesses(t, PATIENT)
  const stream = new PassThrough()
  const leader = one.ask('/')
  ;(await one.origin.run(1)).answer(stream)
  stream.write('one ')
  const waiting = other.ask('/')
  await other.arrived(1)
  stream.end('two')
  t.match(said(await waiting), { text: 'one two', cache: 'HIT' })
  t.equal((await leader).text, 'one two')
  t.equal(one.origin.runs.length, 1)
})

for (const isGone of [false, true]) {
  test(`a stream that breaks${isGone ? ' after its client has gone' : ''} is given to nobody who waited: three of them try again, and all share what is whole`, async (t) => {
    const site = await scene(t, PATIENT)
    const stream = new PassThrough()
    const leader = await openConnection(t, site.port, '/')
    const { reply, answer } = await site.origin.run(1)
    answer(stream)
    stream.write('one ')
    await leader.until('one ')
    const asked = site.many(8, '/')
    await site.arrived(9)
    const gone = new Promise((resolve) => { reply.raw.once('close', resolve) })
    if (isGone) leader.socket.destroy()
    if (isGone) await gone
    stream.destroy(new Error('broken'))
    await site.origin.run(4)
    await turns(site.app)
    t.equal(site.origin.runs.length, 4)
    for (const run of site.origin.runs.slice(1)) run.answer(Readable.from(['whole']))
    const answers = await Promise.all(asked)
    t.strictSame(new Set(answers.map(({ text, isComplete }) => `${text}, ${String(isComplete)}`)), new Set(['whole, true']))
    t.equal(site.origin.runs.length, 4)
    t.match(site.stats(), { misses: 4, collapsed: 5, fills: 3 })
  })
}

for (const [what, announced] of [['', {}], [' by its Content-Length', { 'content-length': '30' }]] as const) {
  test(`a stream that is too large${what} is waited for only until that is known: then all run their handlers at once`, async (t) => {
    const site = await scene(t, { maxBytes: 10, ...PATIENT })
    const stream = new PassThrough()
    const leader = await openConnection(t, site.port, '/')
    const { reply, answer } = await site.origin.run(1)
    const asked = site.many(4, '/')
    await site.arrived(5)
    reply.headers(announced)
    answer(stream)
    stream.write('ten bytes.')
    await leader.until('ten bytes.')
    await turns(site.app)
    if (what === '') {
      t.equal(site.origin.runs.length, 1)
      stream.write('one more..')
    }
    await site.origin.run(5) // the stream is still being sent
    for (const run of site.origin.runs.slice(1)) run.answer('small')
    t.strictSame((await Promise.all(asked)).map(({ text }) => text), ['small', 'small', 'small', 'small'])
    stream.end('.'.repeat(what === '' ? 10 : 20))
    t.match(await leader.end(), 'ten bytes.')
  })
}

test('of a stream whose client has gone no more is read than may be stored', async (t) => {
  const site = await scene(t, { maxBytes: 10, ...PATIENT })
  let read = 0
  let isClosed = false
  const endless = new Readable({ read () { read++; setImmediate(() => this.push('12345')) }, destroy (fault, callback) { isClosed = true; callback(fault) } })
  const stream = new PassThrough()
  const leader = await openConnection(t, site.port, '/')
  const run = await site.origin.run(1)
  run.answer(stream)
  stream.write('1')
  await leader.until('1')
  const waiting = site.ask('/')
  await site.arrived(2)
  await leave(leader, run)
  endless.pipe(stream)
  stream.once('close', () => { endless.destroy() })
  ;(await site.origin.run(2)).answer('small')
  t.match(said(await waiting), { text: 'small', cache: 'MISS' })
  await until(() => isClosed, 'the stream to be closed')
  t.ok(read < 50, `read ${read} times`)
})
