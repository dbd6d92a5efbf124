import { test } from 'tap'
import type { FastifyReply } from 'fastify'
import { inEveryStore, scene, said } from '../freshness/scene.ts'

const limits = { tags: 3, tagLength: 10, headerBytes: 1000 }

const tooMany: Array<[what: string, tag: (reply: FastifyReply) => unknown]> = [
  ['more tags', (reply) => reply.cacheTags('a', 'b', 'c', 'd')],
  ['a longer tag', (reply) => reply.cacheTags('a'.repeat(11))],
  ['100,000 tags', (reply) => { for (let i = 0; i < 100_000; i++) reply.cacheTags(`t${i}`) }]
]

for (const [what, tag] of tooMany) {
  inEveryStore(`a response with ${what} is sent and not stored, which is logged once`, async (t, cache) => {
    const site = await scene(t, { downstream: { tags: 'surrogate-key', maxAge: '1m' } }, { cache: { ...cache, limits } })
    site.origin.answers((run, request, reply) => {
      tag(reply)
      return `made ${run}`
    })
    for (let run = 1; run <= 3; run++) {
      const answer = await site.ask('/')
      t.match(said(answer), { status: 200, text: `made ${run}`, why: 'fwd=uri-miss; detail=too-many-tags' })
      t.equal(answer.field('surrogate-key'), undefined)
      t.equal(answer.field('cache-control'), undefined, 'nobody else is told to keep it')
    }
    t.match(site.warnings, [{ details: { cache: { route: 'GET /', outcome: 'miss', reason: 'too-many-tags' } }, message: /limits\.tags/ }])
    t.equal(site.warnings.length, 1)
    site.origin.answers((run, request, reply) => {
      reply.cacheTags('a', 'b', 'c', 'c', 'a'.repeat(10))
      return `made ${run}`
    })
    t.match(said(await site.ask('/')), { why: 'fwd=uri-miss; detail=too-many-tags' }, 'a and aaaaaaaaaa are two')
    site.origin.answers((run, request, reply) => {
      reply.cacheTags('a', 'b', 'b', 'a', 'a'.repeat(10))
      return `made ${run}`
    })
    t.match(said(await site.ask('/')), { why: 'fwd=uri-miss; stored' })
    t.match(said(await site.ask('/')), { cache: 'HIT' })
  })
}

test('a stream with too many tags tells nobody to keep it', async (t) => {
  const site = await scene(t, { downstream: { tags: 'surrogate-key', maxAge: '1m' } }, { cache: { limits } })
  let tags = ['a', 'b', 'c', 'd']
  site.origin.answers((run, request, reply) => reply.cacheTags(...tags).send(new Blob([`made ${run}`]).stream()))
  const answer = await site.ask('/')
  t.match(said(answer), { status: 200, text: 'made 1', cache: 'MISS' })
  t.strictSame([answer.field('surrogate-key'), answer.field('cache-control')], [undefined, undefined])
  tags = ['a', 'b', 'c']
  t.strictSame((await site.ask('/')).field('surrogate-key'), 'a b c')
})

test('tags that a stream gets while it is read count as well', async (t) => {
  const site = await scene(t, {}, { cache: { limits } })
  site.origin.answers((run, request, reply) => new ReadableStream({
    pull (controller) {
      reply.cacheTags('a', 'b', 'c', 'd')
      controller.enqueue(Buffer.from(`made ${run}`))
      controller.close()
    }
  }, { highWaterMark: 0 }))
  for (let run = 1; run <= 2; run++) t.match(said(await site.ask('/')), { status: 200, text: `made ${run}`, cache: 'MISS' })
  t.equal(site.stats().fills, 0)
  t.equal(site.warnings.length, 1)
})

inEveryStore('a value with too many tags, or a longer one, is refused', async (t, cache) => {
  const site = await scene(t, {}, { cache: { ...cache, limits } })
  const { cache: client } = site.app
  const code = 'RESPONSE_CACHE_ERR_OPTION_INVALID'
  for (const tags of [['a', 'b', 'c', 'd'], ['a'.repeat(11)]]) {
    await t.rejects(client.set('k', 1, { tags }), { code, message: /"tags" in the options for key "k": expected at most 3 tags of 10 characters at most/ })
    await t.rejects(client.getOrSet('k', () => 1, { tags }), { code })
    await t.rejects(client.setMany({ k: 1 }, { tags }), { code })
  }
  t.equal(await client.has('k'), false)
  t.equal(await client.set('k', 1, { tags: ['a', 'b', 'c'] }), true)
})

inEveryStore('a response with too many bytes of header fields is sent and not stored', async (t, cache) => {
  const site = await scene(t, {}, { cache: { ...cache, limits } })
  let length = 2000
  site.origin.answers((run, request, reply) => {
    reply.header('x-much', ['v'.repeat(length / 2), 'v'.repeat(length / 2)])
    return `made ${run}`
  })
  for (let run = 1; run <= 2; run++) t.match(said(await site.ask('/')), { status: 200, text: `made ${run}`, why: 'fwd=uri-miss; detail=too-large' })
  length = 500
  await site.ask('/')
  t.match(said(await site.ask('/')), { status: 200, cache: 'HIT' })
})

test('values of the request that select a response count as its header fields', async (t) => {
  const site = await scene(t, {}, { cache: { limits } })
  site.origin.answers((run, request, reply) => {
    reply.header('vary', 'x-tenant')
    return `made ${run}`
  })
  t.match(said(await site.ask('/', { headers: { 'x-tenant': 'a'.repeat(2000) } })), { status: 200, why: 'fwd=uri-miss; detail=too-large' })
  await site.ask('/', { headers: { 'x-tenant': 'a' } })
  t.match(said(await site.ask('/', { headers: { 'x-tenant': 'a' } })), { cache: 'HIT' })
})
