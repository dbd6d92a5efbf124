import { said, scene, inEveryStore, type Scene } from '../freshness/scene.ts'
import { test, type Test } from 'tap'

async function choosing (t: Test, cache: object): Promise<Scene> {
  const site = await scene(t, {}, { cache })
  site.origin.answers((run, { headers }, reply) => {
    reply.header('vary', 'accept-language')
    return `${headers['accept-language']} made ${run}`
  })
  return site
}

async function ask (site: Scene, language: string): Promise<string | undefined> {
  const { status, text, cache } = said(await site.ask('/', { headers: { 'accept-language': language } }))
  if (status !== 200 || !text.startsWith(language)) throw new Error(`${status} ${text} for ${language}`)
  return cache
}

inEveryStore('invented values of a field do not push out the variants that are asked for', async (t, cache) => {
  const site = await choosing(t, { ...cache, limits: { variants: 5 } })
  for (const language of ['de', 'fr']) await ask(site, language)
  for (let i = 0; i < 40; i++) {
    for (const language of ['de', 'fr']) t.equal(await ask(site, language), 'HIT', `${language} after ${i}`)
    t.equal(await ask(site, `x-${i}`), 'MISS')
  }
  t.equal(await ask(site, 'x-39'), 'HIT', 'the latest is there')
  t.equal(await ask(site, 'x-1'), 'MISS', 'and old ones are not')
})

inEveryStore('a variant that was asked for once is not the next to go', async (t, cache) => {
  const site = await choosing(t, { ...cache, limits: { variants: 5 } })
  for (const language of ['de', 'de', 'x-0', 'x-1', 'x-2', 'x-3', 'x-4']) await ask(site, language)
  t.equal(await ask(site, 'de'), 'HIT')
  t.equal(await ask(site, 'x-0'), 'MISS', 'one that nobody has asked for again went in its place')
})

inEveryStore('not even when each of them is asked for again', async (t, cache) => {
  const site = await choosing(t, { ...cache, limits: { variants: 5 } })
  await ask(site, 'de')
  let missed = 0
  for (let i = 0; i < 60; i++) {
    if (await ask(site, 'de') !== 'HIT') missed++
    await ask(site, `x-${i}`)
    if (await ask(site, 'de') !== 'HIT') missed++
    await ask(site, `x-${i}`)
  }
  // When all were asked for since, the oldest goes, whichever it is.
  t.ok(missed <= 60 / 4, `${missed} of 120`)
})

inEveryStore('no more variants are kept than the limit says, and one is enough', async (t, cache) => {
  const site = await choosing(t, { ...cache, limits: { variants: 1 } })
  for (let i = 0; i < 3; i++) {
    t.equal(await ask(site, 'de'), 'MISS')
    t.equal(await ask(site, 'de'), 'HIT')
    t.equal(await ask(site, 'fr'), 'MISS')
    t.equal(await ask(site, 'fr'), 'HIT')
  }
})

inEveryStore('50 by default', async (t, cache) => {
  const site = await choosing(t, cache)
  for (let i = 0; i < 60; i++) await ask(site, `x-${i}`)
  let kept = 0
  for (let i = 59; i >= 10; i--) if (await ask(site, `x-${i}`) === 'HIT') kept++
  t.equal(kept, 50)
  t.equal(await ask(site, 'x-0'), 'MISS')
})

test('what is remembered of a long key or of long values is nothing, and hits stay right', async (t) => {
  const site = await scene(t, (app, origin) => { app.get('/*', { config: { cache: { ttl: '1m' } } }, origin.handler) })
  site.origin.answers((run, { headers }, reply) => {
    reply.header('vary', 'x-tenant')
    return `${headers['x-tenant']} made ${run}`
  })
  for (const path of ['/', `/${'a'.repeat(2000)}`]) {
    for (const tenant of ['a', 'b', 'c'.repeat(2000), 'd'.repeat(2000)]) {
      const first = said(await site.ask(path, { headers: { 'x-tenant': tenant } }))
      t.equal(first.cache, 'MISS')
      for (let i = 0; i < 2; i++) t.match(said(await site.ask(path, { headers: { 'x-tenant': tenant } })), { cache: 'HIT', text: first.text })
    }
  }
})
