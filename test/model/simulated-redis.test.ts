import t, { type Test } from 'tap'
import type { ConnectedRedis } from '../../lib/store/redis-client.ts'
import { MARK_SCRIPT } from '../../lib/store/mark-script.ts'
import { PAGE_SCRIPT } from '../../lib/store/marks-reader.ts'
import { RedisStore } from '../../lib/store/redis-store.ts'
import { jsonOf } from '../../lib/store/summed-reply.ts'
import { encodeEntry, type StoredValue } from '../../lib/stored-entry.ts'
import { useRedis, type RedisTestClient } from '../helpers/redis.ts'
import { generator } from '../marks/seeded.ts'
import { SimulatedRedis } from './simulated-redis.ts'

/* The model may not drift from Redis: the same calls, sent to both, give the same. A failure tells its seed. */

const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32))
const CALLS = 1500
const INCARNATIONS = [-7, -8, -9]

/** The script for marks asks for the time once; there it is what the test says, as `TIME` would answer. */
const TIMED_SCRIPT = MARK_SCRIPT.replace("redis.call('TIME')", "redis.call('HMGET', KEYS[2], 'seconds', 'micros')")

t.test('the script for marks does the same in the model as in Redis', async (t) => {
  t.comment(`SEED=${SEED}`)
  t.not(TIMED_SCRIPT, MARK_SCRIPT)
  const { client, prefix } = await useRedis(t)
  const listener = client.duplicate()
  await listener.connect()
  t.teardown(() => listener.close())
  const key = `${prefix}:marks`
  const random = generator(SEED)
  const heard: string[] = []
  const told: string[] = []
  await listener.subscribe(key, (text) => { heard.push(text) })
  let micros = 1_700_000_000_000_000
  const model = new SimulatedRedis({ now: () => micros })
  model.subscribers.add(({ text }) => { told.push(text) })
  for (let call = 0; call < CALLS; call++) {
    micros += Math.floor((random() - 0.3) * 40)
    const args = markArguments(random, { key, micros })
    await client.hSet(`${prefix}:time`, { seconds: Math.floor(micros / 1e6), micros: micros % 1e6 })
    const real = await client.eval(TIMED_SCRIPT, { keys: [key, `${prefix}:time`], arguments: args })
    if (!t.strictSame(model.execute('eval', [MARK_SCRIPT, { keys: [key], arguments: args }]), real, `SEED=${SEED} call ${call}: ${args.join(' ')}`)) return
    if (random() < 0.01) {
      model.evict(key)
      await client.unlink(key)
    }
    if (call % 10 > 0) continue
    if (!t.strictSame(model.sorted(key), await client.zRangeWithScores(key, 0, -1), `SEED=${SEED}: the same set after call ${call}`)) return
    await sameRange({ t, client, model, key, above: micros - 20 })
  }
  await client.publish(key, 'the last one')
  while (heard.at(-1) !== 'the last one') await new Promise((resolve) => setImmediate(resolve))
  // cjson has an order of its own, and so another checksum.
  t.strictSame(told.map(said), heard.slice(0, -1).map(said))
})

/** What is said by a message whose checksum is right. */
function said (message: string): unknown {
  return JSON.parse(jsonOf(message) ?? 'null')
}

async function sameRange ({ t, client, model, key, above }: { t: Test, client: RedisTestClient, model: SimulatedRedis, key: string, above: number }): Promise<void> {
  const page = { keys: [key], arguments: [`(${above}`, '3'] }
  t.strictSame(model.execute('eval', [PAGE_SCRIPT, page]), await client.eval(PAGE_SCRIPT, page))
  t.strictSame(model.execute('zmScore', [key, ['i', 'c', 'f', 'm', 'ht:0', 'none']]), await client.zmScore(key, ['i', 'c', 'f', 'm', 'ht:0', 'none']))
}

/** What a process may send: what it knows may be older or newer than what there is. */
function markArguments (random: () => number, { key, micros }: { key: string, micros: number }): string[] {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  const near = (): number => random() < 0.15 ? 0 : micros + Math.floor((random() - 0.7) * 120)
  const members = Array.from({ length: Math.floor(random() * 4) }, () => `${pick(['h', 's', 'w'])}t:${Math.floor(random() * 12)}`)
  const incarnation = pick(INCARNATIONS)
  return [
    '9', '3', String(pick(INCARNATIONS)), String(incarnation), String(near()), String(Math.max(0, near() - 60)),
    pick(['oone', 'otwo']), key, pick(['mark', 'mark', 'copies', 'change']), ...new Set(members)
  ]
}

t.test('the script for produced values does the same in the model as in Redis', async (t) => {
  t.comment(`SEED=${SEED}`)
  const { client, prefix } = await useRedis(t)
  const random = generator(SEED)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  const script = await producedScript(prefix)
  const model = new SimulatedRedis({ now: () => 1_700_000_000_000_000 })
  const key = `${prefix}:one:1`
  const outcomes = new Set<number>()
  for (let call = 0; call < 600; call++) {
    const there = random() < 0.15 ? pick(['', 'short', 'no frame of ours, but long enough']) : pick([frame(pick, pick(['set', 'produced'])), responseFrame(pick)])
    await client.set(key, Buffer.from(there), { PX: 100_000 })
    model.set(key, Buffer.from(there), 100_000)
    const args = [frame(pick, 'produced'), '50000', pick(['-7', '-8']), String(pick([3, 4, 5])), pick(['inf', '1', '12', '20'])]
    const real = await client.eval(script, { keys: [key], arguments: args })
    const reply = model.execute('eval', [script, { keys: [key], arguments: args }]) as number
    outcomes.add(reply)
    if (!t.equal(reply, real, `SEED=${SEED} call ${call}`)) return
    if (!t.equal(String(model.get(key)), await client.get(key))) return
  }
  t.equal(outcomes.size, 2, 'some were stored and some not')
})

t.test('commands for entries do the same in the model as in Redis', async (t) => {
  const { client, prefix } = await useRedis(t)
  const random = generator(SEED)
  const model = new SimulatedRedis({ now: () => 1_700_000_000_000_000 })
  for (let call = 0; call < 300; call++) {
    const key = `${prefix}:${Math.floor(random() * 3)}`
    const dice = random()
    const [name, ...args] = dice < 0.3
      ? ['set', key, Buffer.from(String(call)), { expiration: { type: 'PX', value: 600_000 } }] as const
      : dice < 0.5 ? ['unlink', key] as const : dice < 0.7 ? ['pExpire', key, 900_000] as const : dice < 0.85 ? ['pTTL', key] as const : ['get', key] as const
    const real = await (client as unknown as Record<string, (...args: readonly unknown[]) => Promise<unknown>>)[name]!(...args)
    const reply = model.execute(name, args)
    // Time goes on in a real one.
    const [a, b] = name === 'pTTL' && Number(real) > 0 ? [Math.ceil(Number(reply) / 60_000), Math.ceil(Number(real) / 60_000)] : [Buffer.isBuffer(reply) ? String(reply) : reply, real]
    if (!t.strictSame(a, b, `SEED=${SEED} call ${call}: ${name} ${key}`)) return
  }
})

/** As the store sends it. */
async function producedScript (prefix: string): Promise<string> {
  const sent = new Promise<string>((resolve) => {
    const recorder = { withTypeMapping: () => recorder, on () {}, off () {}, eval: async (script: string) => { resolve(script) } }
    const store = new RedisStore({ redis: recorder as unknown as ConnectedRedis, prefix, commandMs: 1000, onFault () {} })
    void store.set({ id: 'one:1', text: 'one:1' }, value('produced', { incarnation: '-7', stamp: 1 }), 1000)
  })
  return await sent
}

function responseFrame (pick: <T>(list: readonly T[]) => T): Buffer {
  return encodeEntry({
    kind: 'response',
    key: 'one:1',
    storedAt: pick([10, 20]),
    staleAt: 100,
    ageMs: 0,
    costMs: pick([0, 8]),
    isValidatable: false,
    whileRevalidateMs: 0,
    ifErrorMs: 0,
    status: 200,
    headers: [],
    removed: [],
    vary: [],
    labels: [],
    filled: { incarnation: pick(['-7', '-8']), stamp: pick([3, 4, 5]) },
    body: Buffer.from('response')
  })
}

function frame (pick: <T>(list: readonly T[]) => T, origin: StoredValue['origin']): Buffer {
  return encodeEntry(value(origin, { incarnation: pick(['-7', '-8']), stamp: pick([3, 4, 5]) }))
}

function value (origin: StoredValue['origin'], filled: StoredValue['filled']): StoredValue {
  return { kind: 'value', key: 'one:1', storedAt: 1, filled, labels: ['n:one'], encoding: 'bytes', origin, body: Buffer.from('body') }
}
