import type { FastifyRequest } from 'fastify'
import { test, type Test } from 'tap'
import { apart, cached, inEveryStore, open, setUser, together, unique, type Ask, type Site } from './helpers.ts'

/*
 * Routes that say how their responses depend on who asks: per user, per role, the same for all.
 */

/** An app whose `request.user` is what the field X-Seat names. */
async function withUsers (t: Test, users: readonly unknown[], options: Parameters<typeof cached>[0], cache: object = {}): Promise<Site> {
  return await open(t, (app) => {
    app.decorateRequest('user', null)
    app.addHook('preHandler', async (request) => {
      if (request.headers['x-seat'] !== undefined) setUser(request, users[Number(request.headers['x-seat'])])
    })
    app.get('/*', cached(options), unique())
  }, { cache })
}

function seat (index: number): { headers: Record<string, string> } {
  return { headers: { 'x-seat': String(index), authorization: `Bearer ${index}` } }
}

inEveryStore('two users never share a response of a route that varies by user (Hono CVE-2026-44457)', async (t, cache) => {
  const site = await withUsers(t, [{ sub: 'ann' }, { sub: 'bob' }], { varyByUser: true }, cache)
  await apart(t, site, [['/a', seat(0)], ['/a', seat(1)]])
  const [ann, bob] = [await site.ask('/b', seat(0)), await site.ask('/b', seat(1))]
  const [annAgain, bobAgain] = [await site.ask('/b', seat(0)), await site.ask('/b', seat(1))]
  t.strictSame([annAgain.field('x-cache'), bobAgain.field('x-cache')], ['HIT', 'HIT'], 'each has a stored response')
  t.strictSame([annAgain.text, bobAgain.text], [ann.text, bob.text], 'and it is their own')
})

inEveryStore('those who are not logged in share a response with each other, but with no user (ASP.NET DefaultPolicy)', async (t, cache) => {
  const names = ['ann', 'undefined', 'null', '-', '0', ';u-', 'false', 'anonymous', ' ', '\0']
  const site = await withUsers(t, names, { varyByUser: true }, cache)
  for (const [index, name] of names.entries()) {
    await apart(t, site, [[`/${index}`, seat(index)], [`/${index}`]], JSON.stringify(name))
    await together(t, site, [[`/${index}`, seat(index)], [`/${index}`, seat(index)]], `${JSON.stringify(name)} is a user`)
  }
  await together(t, site, [['/'], ['/']], 'nobody')
})

test('users whose names hold what keys are made of never share a response (Litestar CVE-2026-25480)', async (t) => {
  const names = ['a', 'a;q', 'a:b', 'b', '1:a', ';u1:a', 'a;q2:{}', 'A', 'a ', 'á', 'a\u0301', '\ud800', '\udfff', '\ufffd', '__proto__', '{"id":"a"}', 'a'.repeat(5000)]
  const site = await withUsers(t, names, { varyByUser: true })
  for (const [one] of names.entries()) {
    for (let other = 0; other < one; other++) {
      await apart(t, site, [[`/${one}/${other}`, seat(one)], [`/${one}/${other}`, seat(other)]], `${names[one]} and ${names[other]}`)
    }
  }
})

test('users that are known by a number have their own responses, 0 among them', async (t) => {
  const site = await withUsers(t, [{ id: 0 }, { id: 1 }, { id: 10 }, { id: -1 }, { id: 0.1 }], { varyByUser: true })
  for (let one = 0; one < 5; one++) {
    await together(t, site, [[`/${one}`, seat(one)], [`/${one}`, seat(one)]])
    await apart(t, site, [[`/${one}/next`, seat(one)], [`/${one}/next`, seat((one + 1) % 5)]])
  }
})

test('two identities never become one user by the way they are written (RFC 7519 section 4.1.2, Litestar CVE-2026-25480)', async (t) => {
  const pairs: Record<string, [unknown, unknown]> = {
    'the same subject of two issuers': [{ iss: 'https://a', sub: '1' }, { iss: 'https://b', sub: '1' }],
    'a subject with and without an issuer': [{ iss: 'https://a', sub: '1' }, { sub: '1' }],
    'an issuer that ends where a subject begins': [{ iss: 'a#b', sub: 'c' }, { iss: 'a', sub: 'b#c' }],
    'a subject that spells an issuer': [{ sub: 'https://a#1' }, { iss: 'https://a', sub: '1' }],
    'the subject of a token and the id of a session': [{ sub: '7' }, { id: '7' }],
    'a number and its digits': [{ id: 7 }, { id: '7' }]
  }
  for (const [title, users] of Object.entries(pairs)) {
    await t.test(title, async (t) => {
      const site = await withUsers(t, users, { varyByUser: true })
      await apart(t, site, [['/', seat(0)], ['/', seat(1)]])
    })
  }
})

inEveryStore('with credentials but without a user that they stand for, nothing is shared and it is logged once (ASP.NET DefaultPolicy)', async (t, cache) => {
  const site = await withUsers(t, [undefined, null, {}, { sub: '' }, { name: 'ann' }, { id: { $oid: 'a' } }, { sub: true }], { varyByUser: true }, cache)
  for (let index = 0; index < 7; index++) {
    const response = await site.ask('/', seat(index))
    t.equal(response.field('x-cache'), 'BYPASS', String(index))
    t.match(response.field('cache-status'), /detail=user-unknown$/)
    await apart(t, site, [[`/${index}`, seat(index)], [`/${index}`]])
  }
  await site.ask('/cookie', { headers: { cookie: 'sid=1' } })
  t.equal(site.warnings.length, 1)
  t.match(site.warnings[0], { message: /varyByUser found no user/, details: { cache: { reason: 'user-unknown' } } })
})

inEveryStore('responses by role are shared within a role and with no other (ASP.NET vary by value)', async (t, cache) => {
  const users = [{ id: 1, roles: ['admin'] }, { id: 2, roles: ['admin'] }, { id: 3, roles: ['guest'] }, { id: 4, roles: [] }]
  const roles = (request: FastifyRequest): string | undefined => {
    const { user } = request as unknown as { user: { roles: string[] } | null }
    return user?.roles.join(' ')
  }
  const site = await withUsers(t, users, { varyByUser: roles as never }, cache)
  await together(t, site, [['/1', seat(0)], ['/1', seat(1)]], 'the same role')
  await apart(t, site, [['/2', seat(0)], ['/2', seat(2)]], 'another role')
  await apart(t, site, [['/3', seat(0)], ['/3', seat(3)]], 'no role')
  await apart(t, site, [['/4', seat(0)], ['/4']], 'nobody')
  t.equal((await site.ask('/5', seat(3))).field('x-cache'), 'BYPASS', 'credentials without a role')
})

inEveryStore('a shared response is for everyone, and says nothing about other routes (ASP.NET DefaultPolicy)', async (t, cache) => {
  const site = await open(t, (app) => {
    app.get('/shared', cached({ shared: true }), unique())
    app.get('/plain', cached(), unique())
  }, { cache })
  const asks: Ask[] = [['/shared', { headers: { authorization: 'a' } }], ['/shared', { headers: { cookie: 'sid=b', 'x-api-key': 'c' } }], ['/shared']]
  for (const other of asks.slice(1)) await together(t, site, [asks[0]!, other])
  await apart(t, site, [['/plain', { headers: { authorization: 'a' } }], ['/plain']])
})
