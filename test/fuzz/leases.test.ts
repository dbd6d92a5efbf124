import { test } from 'tap'
import { Dice } from '../properties/dice.ts'
import { useRedis } from '../helpers/redis.ts'
import { openLeases } from '../store/leases-scene.ts'
import { mutated } from './mutate.ts'

const SEED = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const CASES = 400

const CORPUS = ['h:abc-1-60000:', 'w:abc-1-60000:', 'e:abc-1-60000:stored', 'e:abc-1-60000:failed', 'r:abc-1-2000-60000:uncacheable', 'x', '', 'h::', 'e:a:', 'h:a:b:c']
const TOKENS = ['h', 'w', 'e', 'r', ':', 'abc-1', '60000', 'stored', '\0', '-', '%', '\n', '[', '\xff']

test('whatever lies under the key of a lease, and whatever is told of it, somebody gets it or is told that it is held', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  const { leases } = await openLeases(t, { url, prefix })
  const dice = new Dice(SEED)
  const material = { corpus: CORPUS.map((text) => Buffer.from(text)), tokens: TOKENS.map((text) => Buffer.from(text, 'latin1')) }
  const counts: Record<string, number> = {}
  for (let at = 0; at < CASES; at++) {
    const asWritten = material.corpus[at] // at first, what follows is mutated
    const [name, value] = [`n${at}`, asWritten ?? mutated(dice, material)]
    const key = `${prefix}:lease:${name}`
    if (asWritten === undefined && dice.chance(0.1)) await client.rPush(key, value)
    else await client.set(key, value, asWritten !== undefined || dice.chance(0.7) ? { expiration: { type: 'PX', value: 60_000 } } : {})
    await client.publish(`${prefix}:leases`, dice.chance(0.5) ? name : mutated(dice, material))
    const waitMs = dice.chance(0.05) ? 5 : 0
    const { outcome } = await leases.acquire(name, { leaseMs: 1000, waitMs })
    counts[outcome] = (counts[outcome] ?? 0) + 1
    const isOurs = /^[hwer]:[\w-]+:[a-z]*$/i.test(value.toString('latin1'))
    // Who waits may be told so before Redis has answered.
    if (!isOurs && waitMs === 0 && outcome !== 'granted') t.fail(`SEED=${SEED}: ${JSON.stringify(value.toString('latin1'))} is nobody's and was not replaced: ${outcome}`)
    if (outcome === 'ended' && waitMs === 0) t.fail(`SEED=${SEED}: who has not waited hears of no end`)
    await client.unlink(key)
  }
  t.comment(JSON.stringify(counts))
  t.ok(counts.granted! > 0 && counts.held! > 0 && counts.resting! > 0)
})
