import Fastify from 'fastify'
import responseCache from 'fastify-response-cache'
import { test } from 'tap'
import type { Labelled } from '../../lib/marks/ledger.ts'
import { durationToMs } from '../../lib/options/duration.ts'
import { told } from '../marks/told.ts'
import { RedisMarks } from '../../lib/store/redis-marks.ts'
import { decodeEntry, encodeEntry, type StoredResponse } from '../../lib/stored-entry.ts'

/*
 * What made-up inputs have found, by the promise that it broke.
 */

for (const name of ['constructor', '__proto__']) {
  test(`a response may vary by a field whose name every object has: ${name}`, async (t) => {
    const app = Fastify()
    t.teardown(async () => { await app.close() })
    await app.register(responseCache)
    app.get('/', { config: { cache: { ttl: '1h' } } }, async (_request, reply) => await reply.header('vary', name).send('made'))
    for (const cache of ['MISS', 'HIT']) {
      const { statusCode, body, headers } = await app.inject('/')
      t.strictSame([statusCode, body, headers['x-cache']], [200, 'made', cache])
    }
  })
}

test('a duration of very many digits is refused at once', async (t) => {
  const begin = performance.now()
  t.equal(durationToMs(`${'1'.repeat(20_000)}x`), undefined)
  t.ok(performance.now() - begin < 1000)
  t.equal(durationToMs('0.33333333333333333333h'), 1_200_000)
})

test('a message that says a later time than there is does not keep the marks that follow from being heard', async (t) => {
  const now = Date.now() * 1000
  const marks = new RedisMarks({ open: () => { throw new Error('not asked') }, prefix: 'p' })
  marks.ledger.restart('-1')
  marks.ledger.learn([], now - 1000)
  const entry: Labelled = { filled: { incarnation: '-1', stamp: now - 1000 }, labels: ['t:a'] }
  const hears = (before: number, clock: number, members: string[]): boolean => marks.hear(told(JSON.stringify({ incarnation: '-1', before: String(before), clock: String(clock), floor: '0', members })))
  t.equal(hears(1, now + 60_000_000, []), true)
  t.equal(marks.ledger.verdict(entry, { id: 'k' }), 'live')
  const isEnough = hears(now - 500, now, ['ht:a'])
  t.ok(!isEnough || marks.ledger.verdict(entry, { id: 'k' }) === 'dead', 'it is learned, or it is known that something is missing')
})

const RESPONSE: StoredResponse = {
  kind: 'response', key: 'k', storedAt: 1, filled: { incarnation: '-1', stamp: 1 }, labels: [], staleAt: 2, ageMs: 0, costMs: 0, isValidatable: false, whileRevalidateMs: 0, ifErrorMs: 0, status: 200, headers: [], removed: [], vary: [], body: Buffer.from('a')
}

test('an entry with numbers that no header field can say decodes to nothing', async (t) => {
  t.not(decodeEntry(encodeEntry(RESPONSE)), undefined)
  for (const odd of [{ staleAt: 1e24 }, { storedAt: -1e24 }, { ageMs: 1e300 }, { coded: { coding: 'br', bytes: 0.5, etag: '"a"' } }, { coded: { coding: 'br', bytes: 1e22, etag: '"a"' } }] as const) {
    t.equal(decodeEntry(encodeEntry({ ...RESPONSE, ...odd })), undefined, JSON.stringify(odd))
  }
})
