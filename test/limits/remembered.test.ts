import { test } from 'tap'
import { UncacheableMemory } from '../../lib/fills/uncacheable.ts'
import { keyLabel, namespaceLabel, tagLabel, urlLabels, urlMarks, userLabel } from '../../lib/marks/labels.ts'
import { useRedis } from '../helpers/redis.ts'
import { cached, inEveryStore, open, said, scene } from '../freshness/scene.ts'

const LONG = 'x'.repeat(15_000)

test('no label is longer than 256 characters and its letter, whatever it names', (t) => {
  const labels = [
    tagLabel(LONG), namespaceLabel(LONG), userLabel(LONG), keyLabel(LONG),
    ...urlLabels(`/${LONG};a?b=${LONG}`, { coversQuery: true }), ...urlLabels(`/${LONG}`, { coversQuery: false }), ...urlMarks(`/a?${LONG}`), ...urlMarks(`/${LONG}`)
  ]
  for (const label of labels) t.ok(label.length <= 258, label.slice(0, 20))
  t.equal(new Set(labels.map((label) => label[0])).size, 6)
  t.not(tagLabel(`${LONG}a`), tagLabel(`${LONG}b`))
  t.equal(tagLabel(LONG), tagLabel(LONG))
  t.equal(tagLabel('x'.repeat(256)), `t:${'x'.repeat(256)}`, 'what is short can be read')
  t.equal(userLabel(`${LONG}\ud800`), userLabel(`${LONG}\ud800`.toWellFormed()))
  t.end()
})

inEveryStore('what has a long URL, user or tag is invalidated by it', async (t, cache) => {
  const long = 'y'.repeat(600)
  const site = await scene(t, (app, origin) => {
    app.get('/*', cached({ varyByUser: (request) => request.headers['x-user'] as string, tags: [long] }), origin.handler)
  }, { cache: { ...cache, limits: { tagLength: 600 } } })
  site.origin.answers((run) => `made ${run}`)
  const path = `/${long}?q=${long}`
  const headers = { 'x-user': long }
  const { cache: client } = site.app
  for (const invalidate of [() => client.invalidateUrl(path), () => client.invalidateUrl(`/${long}`), () => client.invalidateUser(long), () => client.invalidateTags(long)]) {
    await site.ask(path, { headers })
    t.match(said(await site.ask(path, { headers })), { cache: 'HIT' })
    await invalidate()
    t.match(said(await site.ask(path, { headers })), { cache: 'MISS' })
  }
  await client.invalidateUrl([`/${long}z`, `/z${long}`, `/${long}?q=${long}z`])
  t.match(said(await site.ask(path, { headers })), { cache: 'HIT' }, 'and by nothing else')
})

test('long URLs that clients write to leave short marks in Redis', async (t) => {
  const { client, prefix, url: redis } = await useRedis(t)
  const site = await open(t, (app) => {
    app.get('/*', cached(), async () => 'read')
    app.post('/*', async () => 'written')
  }, { cache: { redis, prefix, timeouts: { read: '5s', write: '5s' } } })
  for (let i = 0; i < 5; i++) t.equal((await site.ask(`/${'z'.repeat(10_000)}${i}`, { method: 'POST' })).status, 200)
  const members = await client.zRange(`${prefix}:marks`, 0, -1)
  t.ok(members.filter((member) => member.startsWith('hl:')).length >= 5)
  for (const member of members) t.ok(member.length < 300, member.slice(0, 40))
})

test('what is remembered of uncacheable answers is bounded over all keys and variants together', (t) => {
  const memory = new UncacheableMemory(() => 0)
  const note = (id: number, tenant: number): void => { memory.note({ id: `${id}`, text: '' }, [['x-tenant', `${tenant}`]]) }
  const isKnown = (id: number, tenant: number): boolean => memory.mayRun({ id: `${id}`, text: '' }, { 'x-tenant': `${tenant}` })
  for (let id = 0; id < 2000; id++) for (let tenant = 0; tenant < 16; tenant++) note(id, tenant)
  let known = 0
  for (let id = 0; id < 2000; id++) for (let tenant = 0; tenant < 16; tenant++) if (isKnown(id, tenant)) known++
  t.equal(known, 10_000)
  t.equal(isKnown(1999, 15), true, 'the latest are there')
  for (let id = 1999; id >= 0; id--) memory.forget({ id: `${id}`, text: '' }, { 'x-tenant': '7' })
  note(5000, 1)
  t.equal(isKnown(1999, 15), true)
  t.equal(isKnown(1999, 7), false)
  for (let id = 6000; id < 15_999; id++) note(id, 1)
  t.equal(isKnown(5000, 1), true, 'room that was given back is used')
  note(15_999, 1)
  t.equal(isKnown(5000, 1), false)
  t.end()
})
