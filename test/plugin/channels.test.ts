import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel'
import type { InvalidationMessage, ResponseMessage, TracedKey } from 'fastify-response-cache'
import { test, type Test } from 'tap'
import { createApp } from './serve.ts'

/** What a channel tells while `t` runs. */
function listen<Message> (t: Test, name: string): Message[] {
  const heard: Message[] = []
  const onMessage = (message: unknown): void => { heard.push(message as Message) }
  subscribe(name, onMessage)
  t.teardown(() => unsubscribe(name, onMessage))
  return heard
}

test('the channel of responses tells of each request what it came to, and the channel of invalidations what was meant', async (t) => {
  const app = await createApp(t, (app) => { app.get('/things', { config: { cache: { namespace: 'things', ttl: 60 } } }, async () => 'x') })
  const responses = listen<ResponseMessage>(t, 'fastify-response-cache:response')
  const invalidations = listen<InvalidationMessage>(t, 'fastify-response-cache:invalidation')
  await app.inject('/things')
  await app.inject('/things')
  await app.inject({ url: '/things', headers: { authorization: 'Bearer abc' } })
  await app.cache.invalidateNamespace('things', { soft: true })
  await app.inject('/unknown')
  const common = { route: 'GET /things', namespace: 'things', ms: Number }
  t.match(responses, [
    { ...common, outcome: 'miss', reason: 'uri-miss', stored: true, key: /^things:GET:\/things:/ },
    { ...common, outcome: 'hit', bytes: 1 },
    { ...common, outcome: 'bypass', reason: 'credentials' }
  ])
  t.equal(responses.length, 3)
  t.match(invalidations, [{ targets: { namespaces: ['things'] }, soft: true, isConfirmed: true, ms: Number }])
})

test('look-ups, fills, stores and invalidations can be traced, and answer the same', async (t) => {
  const app = await createApp(t, (app) => { app.get('/', { config: { cache: 60 } }, async () => 'x') })
  const heard: string[] = []
  for (const name of ['lookup', 'fill', 'store', 'invalidate']) {
    const channel = tracingChannel<TracedKey>(`fastify-response-cache:${name}`)
    const subscribers = {
      start: () => { heard.push(`${name} starts`) },
      end: () => {},
      asyncStart: () => {},
      asyncEnd: () => { heard.push(`${name} ends`) },
      error: () => { heard.push(`${name} fails`) }
    }
    channel.subscribe(subscribers)
    t.teardown(() => channel.unsubscribe(subscribers))
  }
  t.equal((await app.inject('/')).headers['x-cache'], 'MISS')
  t.equal((await app.inject('/')).headers['x-cache'], 'HIT')
  await app.cache.invalidateAll()
  t.strictSame(heard.toSorted(), [
    'fill ends', 'fill starts', 'invalidate ends', 'invalidate starts', 'lookup ends', 'lookup ends', 'lookup starts', 'lookup starts', 'store ends', 'store starts'
  ])
})
