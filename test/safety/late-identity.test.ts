import { Readable } from 'node:stream'
import { test } from 'tap'
import { cached, inEveryStore, open, setUser, unique } from './helpers.ts'

/*
 * Who asks may be found out only while the handler runs. What is stored is decided then, not at look-up (ASP.NET #69386).
 */

inEveryStore('a response whose handler found out who asks is not stored (ASP.NET #69386)', async (t, cache) => {
  const made = unique()
  const site = await open(t, (app) => {
    app.decorateRequest('user', null)
    app.get('/', cached(), async (request) => {
      if (request.headers['x-seat'] !== undefined) setUser(request, { id: request.headers['x-seat'] })
      return await made()
    })
  }, { cache })
  const known = { headers: { 'x-seat': '1' } }
  const first = await site.ask('/', known)
  t.equal(first.field('x-cache'), 'MISS')
  t.match(first.field('cache-status'), /fwd=uri-miss; detail=credentials$/)
  const second = await site.ask('/')
  t.not(second.text, first.text)
  t.equal((await site.ask('/')).text, second.text, 'a response for nobody in particular is stored')
})

inEveryStore('a stream during which it turned out who asks is not stored (ASP.NET #69386)', async (t, cache) => {
  const site = await open(t, (app) => {
    app.decorateRequest('user', null)
    app.get('/:mode', cached(), async (request) => Readable.from((async function * () {
      yield 'data of '
      if ((request.params as { mode: string }).mode === 'late') setUser(request, 'ann')
      yield 'somebody'
    })()))
  }, { cache })
  for (let n = 0; n < 2; n++) t.equal((await site.ask('/late')).field('x-cache'), 'MISS')
  await site.ask('/never')
  t.equal((await site.ask('/never')).field('x-cache'), 'HIT')
})

inEveryStore('a response made for another user than the one who was looked up is not stored (ASP.NET #69386)', async (t, cache) => {
  const made = unique()
  const site = await open(t, (app) => {
    app.decorateRequest('user', null)
    app.addHook('onRequest', async (request) => { setUser(request, request.headers['x-seat']) })
    app.get('/:title', cached({ varyByUser: true }), async (request) => {
      if ('x-become' in request.headers) setUser(request, request.headers['x-become'] || undefined)
      return await made()
    })
  }, { cache })
  const ann = { headers: { 'x-seat': 'ann' } }
  const changes: Record<string, Record<string, string>> = {
    'somebody else': { 'x-seat': 'ann', 'x-become': 'bob' },
    nobody: { 'x-seat': 'ann', 'x-become': '' },
    'somebody after nobody': { 'x-become': 'ann' }
  }
  for (const [title, headers] of Object.entries(changes)) {
    const path = `/${encodeURIComponent(title)}`
    const changed = await site.ask(path, { headers })
    t.match(changed.field('cache-status'), /detail=credentials$/, title)
    for (const reader of [ann, { headers: { 'x-seat': 'bob' } }, {}]) {
      const response = await site.ask(path, reader)
      t.not(response.text, changed.text, `${title}, read by ${JSON.stringify(reader)}`)
    }
    t.equal((await site.ask(path, ann)).field('x-cache'), 'HIT', 'who stays the same gets a stored response')
  }
})

test('a user function that learns its answer from the handler, or fails after it, keeps the response from being stored (ASP.NET #69386)', async (t) => {
  for (const late of ['known', 'throws']) {
    const state = new WeakMap<object, string>()
    const user = (request: { raw: object }): string | undefined => {
      if (state.get(request.raw) === 'throws') throw new Error('session gone')
      return state.get(request.raw)
    }
    for (const varyByUser of [false, true]) {
      const site = await open(t, (app) => app.get('/', cached({ varyByUser }), async (request) => {
        state.set(request.raw, late)
        return { at: process.hrtime.bigint().toString() }
      }), { cache: { user } })
      const [first, second] = [await site.ask('/'), await site.ask('/')]
      t.strictSame([first.status, second.status], [200, 200])
      t.equal(second.field('x-cache'), 'MISS', `${late}, varyByUser ${varyByUser}`)
      t.not(second.text, first.text)
    }
  }
})
