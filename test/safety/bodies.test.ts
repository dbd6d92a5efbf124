import { test } from 'tap'
import { apart, cached, inEveryStore, open, together, unique, type Ask, type Site } from './helpers.ts'

/*
 * POST with varyByBody: the body selects the response as the handler sees it.
 */

function json (body: string, path = '/'): Ask {
  return [path, { method: 'POST', headers: { 'content-type': 'application/json' }, body }]
}

const byBody = cached({ varyByBody: true })

/** None of these bodies shares a response with another. */
const DISTINCT = [
  '"1"', '1', '1.5', '-1', '0', 'true', '"true"', 'null', '"null"', '""', '"u"', '"t"', '{}', '[]', '[[]]', '[{}]', '{"a":1}', '{"a":"1"}', '{"a":[1]}', '{"a":{}}', '{"a":null}',
  '{"a":[]}', '{"A":1}', '{"a":1,"b":2}', '{"a":2,"b":1}', '{"a":{"b":2}}', '{"a":{},"b":2}', '[1,2]', '[2,1]', '[12]', '["1",2]', '["12"]', '["1","2"]', '["1,2"]', '[1,[2]]', '[[1],2]',
  '[[1,2]]', '[null]', '[null,null]', '["a","b"]', '["a:1:b"]', '["as1:b"]', '{"a":"s1:b"}', '{"a;b":1}', '{"a":1,"constructor":2}', '{"toString":1}', '{"a ":1}', '{"":1}',
  '{"":{"":1}}', '"\\u0000"', '"\\ud83d\\ude00"', '"é"', '"e\\u0301"', '1e21', '1e400', '"Infinity"', '9007199254740993', '"b"', '{"$ref":"a"}', '{"length":1}', '{"0":1}'
]

inEveryStore('bodies that a handler can tell apart do not share a response (Litestar CVE-2026-25480)', async (t, cache) => {
  const site = await open(t, (app) => app.post('/', byBody, unique()), { cache })
  const bodies = new Map<string, string>()
  for (const body of DISTINCT) {
    const { status, text } = await site.ask(...json(body))
    t.equal(status, 200, body)
    t.notOk([...bodies.values()].includes(text), body)
    bodies.set(body, text)
  }
  for (const [body, text] of bodies) t.equal((await site.ask(...json(body))).text, text, `${body} again`)
})

test('what is no text of its own selects the response too: a half of a surrogate pair (Litestar CVE-2026-25480)', async (t) => {
  const site = await open(t, (app) => app.post('/*', byBody, unique()))
  const pairs = [['"\\ud800"', '"\\ud801"'], ['"\\ud800"', '"\\ufffd"'], ['"\\udc00"', '"\\udfff"'], ['{"\\ud800":1}', '{"\\ud801":1}'], ['"\\ud800\\ud800"', '"\\ud800\\ufffd"']]
  for (const [index, [one, other]] of pairs.entries()) await apart(t, site, [json(one!, `/${index}`), json(other!, `/${index}`)])
})

inEveryStore('bodies that a handler cannot tell apart share a response', async (t, cache) => {
  const site = await open(t, (app) => app.post('/', byBody, unique()), { cache })
  const same = [
    ['{"a":1,"b":{"c":2,"d":3}}', '{ "b" : { "d": 3.0, "c": 2 },\n "a": 1e0 }'],
    ['{"a":"\\u0041"}', '{"a":"A"}'],
    ['{"a":1,"a":2}', '{"a":2}']
  ]
  for (const [one, other] of same) await together(t, site, [json(one!), json(other!)])
})

test('a body that pollutes prototypes selects its response, or is refused, and nobody else gets it', async (t) => {
  const site = await open(t, (app) => app.post('/*', byBody, unique()), { fastify: { onProtoPoisoning: 'ignore', onConstructorPoisoning: 'ignore' } })
  const pairs = [['{"__proto__":{"a":1}}', '{}'], ['{"__proto__":{"a":1}}', '{"__proto__":{"a":2}}'], ['{"__proto__":null}', '{}'], ['{"constructor":{"prototype":1}}', '{"constructor":{"prototype":2}}']]
  for (const [index, [one, other]] of pairs.entries()) await apart(t, site, [json(one!, `/${index}`), json(other!, `/${index}`)])
  await together(t, site, [json('{"__proto__":{"a":1}}', '/same'), json('{"__proto__":{"a":1}}', '/same')])
})

test('the query and the user select the response of a POST as well as its body', async (t) => {
  const site = await open(t, (app) => app.post('/*', cached({ varyByBody: true, varyByUser: (request) => request.headers['x-seat'] as string }), unique()))
  const seat = (name: string, path: string): Ask => [path, { method: 'POST', headers: { 'content-type': 'application/json', 'x-seat': name }, body: '{}' }]
  await apart(t, site, [seat('ann', '/1'), seat('bob', '/1')])
  await apart(t, site, [seat('ann', '/2?a=1'), seat('ann', '/2?a=2')])
  await together(t, site, [seat('ann', '/3'), seat('ann', '/3')])
  t.equal((await site.ask('/4', { method: 'POST', headers: { authorization: 'a' } })).field('x-cache'), 'BYPASS')
})

/** An app whose bodies of the type test/x become what this function makes of the text. */
async function withBodies (t: Parameters<typeof open>[0], make: (text: string) => unknown): Promise<Site> {
  return await open(t, (app) => {
    app.addContentTypeParser('test/x', { parseAs: 'string' }, (request, body, done) => { done(null, make(body as string)) })
    app.post('/', byBody, unique())
  })
}

function of (text: string): Ask {
  return ['/', { method: 'POST', headers: { 'content-type': 'test/x' }, body: text }]
}

test('a body that hides what tells it from others is never cached (Litestar CVE-2026-25480)', async (t) => {
  class Hidden {
    readonly #text: string
    constructor (text: string) { this.#text = text }
    get text (): string { return this.#text }
  }
  const bodies: Record<string, (text: string) => unknown> = {
    Map: (text) => new Map([['text', text]]),
    Set: (text) => new Set([text]),
    URLSearchParams: (text) => new URLSearchParams({ text }),
    FormData: (text) => { const form = new FormData(); form.set('text', text); return form },
    'an instance of a class': (text) => new Hidden(text),
    'a member of a list': (text) => [{ a: new Hidden(text) }],
    'a typed array': (text) => Uint16Array.from(Buffer.from(text)),
    'an ArrayBuffer': (text) => new Uint8Array(Buffer.from(text)).buffer,
    'a Blob': (text) => new Blob([text]),
    'a function': (text) => () => text,
    'a symbol': (text) => Symbol(text),
    'an object with another prototype': (text) => Object.create({ text }),
    'a RegExp': (text) => new RegExp(text)
  }
  for (const [title, make] of Object.entries(bodies)) {
    const site = await withBodies(t, make)
    await apart(t, site, [of('one'), of('two')], title)
    const response = await site.ask(...of('one'))
    t.match(response.field('cache-status'), /fwd=bypass; detail=unkeyable$/, title)
    t.equal(site.warnings.length, 1, 'logged once')
  }
})

test('bodies of bytes, dates, big numbers and gaps select their responses (Litestar CVE-2026-25480)', async (t) => {
  const gap = (at: number): unknown[] => { // as qs with allowSparse makes them
    const list: unknown[] = ['x', 'y']
    list.splice(at, 0, 'gap')
    delete list[at]
    return list
  }
  const pairs: Record<string, [unknown, unknown]> = {
    bytes: [Buffer.from('a'), Buffer.from('b')],
    'bytes and their text': [Buffer.from('a'), 'a'],
    dates: [new Date(1), new Date(2)],
    'a date and its number': [new Date(1), 1],
    'big integers': [1n, 2n],
    'a big integer and a number': [1n, 1],
    'zeros of both signs': [0, -0],
    'no number': [Number.NaN, null],
    'nothing and null': [{ a: undefined }, { a: null }],
    'nothing and absent': [{ a: undefined }, {}],
    'gaps of a list in different places': [gap(0), gap(1)]
  }
  for (const [title, values] of Object.entries(pairs)) {
    const site = await withBodies(t, (text) => values[Number(text)])
    await apart(t, site, [of('0'), of('1')], title)
  }
})

test('a body that only the handler reads is never cached', async (t) => {
  const site = await open(t, (app) => {
    app.addContentTypeParser('multipart/form-data', (request, payload, done) => { done(null) }) // as @fastify/multipart does
    app.post('/', byBody, async (request) => {
      const chunks: Buffer[] = []
      for await (const chunk of request.raw) chunks.push(chunk as Buffer)
      return { uploaded: Buffer.concat(chunks).toString() }
    })
  })
  const upload = (body: string): Ask => ['/', { method: 'POST', headers: { 'content-type': 'multipart/form-data; boundary=x' }, body }]
  t.strictSame(JSON.parse((await site.ask(...upload('one'))).text), { uploaded: 'one' })
  t.strictSame(JSON.parse((await site.ask(...upload('two'))).text), { uploaded: 'two' })
})

test('a body of the deepest nesting is answered, and in time', async (t) => {
  const site = await open(t, (app) => app.post('/', byBody, unique()))
  const deep = [`${'['.repeat(400_000)}${']'.repeat(400_000)}`, `${'{"a":'.repeat(150_000)}1${'}'.repeat(150_000)}`]
  for (const body of deep) t.equal((await site.ask(...json(body))).field('x-cache'), 'BYPASS')
  t.equal((await site.ask(...json('{}'))).field('x-cache'), 'MISS')
})
