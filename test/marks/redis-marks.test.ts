import { createClient } from 'redis'
import t from 'tap'
import { tagLabel } from '../../lib/marks/labels.ts'
import type { FillStamp } from '../../lib/marks/ledger.ts'
import type { ConnectedRedis } from '../../lib/store/redis-client.ts'
import { RedisMarks } from '../../lib/store/redis-marks.ts'
import { useRedis } from '../helpers/redis.ts'
import { scene, settle, startProcess, type Process, type Scene } from './processes.ts'

const [X, Y, Z] = ['x', 'y', 'z'].map(tagLabel) as [string, string, string]

t.test('a confirmed mark is known to another process after its next refresh', async (t) => {
  const { processes: [a, b] } = await scene(t) as Scene & { processes: [Process, Process] }
  const [before, beforeB] = [a.fill(), b.fill()]
  await a.marks.mark('hard', [X])
  await a.marks.mark('soft', [Y])
  t.equal(a.judge(before, X), 'dead')
  await b.marks.refresh()
  for (const filled of [before, beforeB]) {
    t.equal(b.judge(filled, X), 'dead')
    t.equal(b.judge(filled, Y), 'stale')
    t.equal(b.judge(filled, Y, X), 'dead')
    t.equal(b.judge(filled, Z), 'live')
  }
  for (const { fill } of [a, b]) t.equal(b.judge(fill(), X, Y), 'live', 'a fill that began afterwards')
})

t.test('more marks than one page has are all known', async (t) => {
  const { processes: [a, b] } = await scene(t) as Scene & { processes: [Process, Process] }
  const filled = b.fill()
  const labels = Array.from({ length: 2500 }, (_, at) => tagLabel(`many ${at}`))
  await a.marks.mark('hard', labels)
  await b.marks.refresh()
  for (const { marks, judge } of [a, b]) {
    t.equal(marks.ledger.size, 2500)
    t.equal(labels.filter((label) => judge(filled, label) !== 'dead').length, 0)
    t.equal(judge(filled, X), 'live')
  }
})

t.test('nothing that was filled before a dropped mark is used', async (t) => {
  const { client, key, processes: [a, b] } = await scene(t, 2, 5) as Scene & { processes: [Process, Process] }
  const fills: Array<{ filled: FillStamp, label: string }> = []
  for (let i = 0; i < 30; i++) {
    const label = tagLabel(String(i))
    fills.push({ filled: a.fill(), label })
    await a.marks.mark('hard', [label])
  }
  const after = a.fill()
  await b.marks.refresh()
  t.equal(await client.zCard(key), 5 + 3)
  for (const { marks, judge } of [a, b]) {
    t.ok(marks.ledger.size <= 5, 'one place is that of the process')
    for (const { filled, label } of fills) t.equal(judge(filled, label), 'dead')
    t.equal(judge(after, tagLabel('0')), 'live')
  }
})

t.test('a mark that is dropped while a process reads is not missed', async (t) => {
  const { processes: [a, b] } = await scene(t, 2, 5) as Scene & { processes: [Process, Process] }
  const filled = b.fill()
  await a.marks.mark('hard', [X])
  b.after('zmScore', async () => { for (let i = 0; i < 10; i++) await a.marks.mark('hard', [tagLabel(String(i))]) })
  await b.marks.refresh()
  t.equal(b.judge(filled, X), 'dead')
})

t.test('when the marks are evicted or flushed, nothing that was filled before is used by anybody', async (t) => {
  const { client, key, processes: [a, b] } = await scene(t) as Scene & { processes: [Process, Process] }
  await a.marks.mark('hard', [X])
  const filled = [a.fill(), b.fill()]
  await client.del(key)
  await b.marks.refresh()
  await a.marks.refresh()
  t.equal(a.marks.ledger.incarnation, b.marks.ledger.incarnation)
  for (const { judge } of [a, b]) for (const one of filled) t.equal(judge(one, Z), 'dead')
  t.equal(b.judge(a.fill(), Z), 'live')
  await client.del(key)
  await a.marks.mark('hard', [X])
  await b.marks.refresh()
  t.equal(a.marks.ledger.incarnation, b.marks.ledger.incarnation)
  for (const { judge } of [a, b]) for (const one of filled) t.equal(judge(one, Z), 'dead')
})

t.test('a clock of the server that is behind is no reason to miss a mark', async (t) => {
  const { client, key, processes: [a, b] } = await scene(t) as Scene & { processes: [Process, Process] }
  await client.zAdd(key, { value: 'c', score: (Date.now() + 3_600_000) * 1000 })
  await settle([a, b])
  for (const [one, other] of [[a, b], [b, a]] as const) {
    const filled = other.fill()
    await one.marks.mark('hard', [X])
    t.equal(one.judge(filled, X), 'dead')
    await other.marks.refresh()
    t.equal(other.judge(filled, X), 'dead')
    t.equal(other.judge(other.fill(), X), 'live')
  }
})

t.test('a refresh with nothing new is one command, also for many calls in one turn', async (t) => {
  const { processes: [a, b] } = await scene(t) as Scene & { processes: [Process, Process] }
  await a.marks.mark('hard', [X])
  await settle([a, b])
  for (const { marks, sent } of [a, b]) {
    sent.length = 0
    await Promise.all(Array.from({ length: 100 }, () => marks.refresh()))
    t.same(sent.map(({ name }) => name), ['zmScore'])
  }
})

t.test('a mark is one command when nobody else has set any', async (t) => {
  const { processes: [a] } = await scene(t) as Scene & { processes: [Process, Process] }
  a.sent.length = 0
  await a.marks.mark('hard', [X, Y])
  t.same(a.sent.map(({ name }) => name), ['eval'])
})

t.test('a refresh that begins after a mark was confirmed knows it, also when an earlier one of the turn has already left', async (t) => {
  const { url, prefix } = await useRedis(t)
  const [clientA, clientB] = [createClient({ url }), createClient({ url })]
  for (const client of [clientA, clientB]) {
    await client.connect()
    t.teardown(() => client.close())
  }
  const [a, b] = [clientA, clientB].map((client) => new RedisMarks({ open: () => client as unknown as ConnectedRedis, prefix })) as [RedisMarks, RedisMarks]
  let missed = 0
  for (let round = 0; round < 50; round++) {
    await Promise.all([a.refresh(), b.refresh()])
    await new Promise((resolve) => { setImmediate(resolve) })
    const filled = b.ledger.stamp!
    await new Promise<void>((resolve, reject) => {
      setTimeout(() => {
        setImmediate(() => {
          b.refresh().catch(reject)
          a.mark('hard', [X]).then(() => b.refresh()).then(resolve, reject)
        })
        Promise.all([clientB.ping(), clientA.ping()]).catch(reject) // their writes are planned behind it, in the same turn
        setImmediate(() => {
          const until = performance.now() + 3
          while (performance.now() < until);
        })
      }, 1)
    })
    if (b.ledger.verdict({ filled, labels: [X] }, { id: 'test:id' }) !== 'dead') missed++
  }
  t.equal(missed, 0, `${missed} of 50 missed`)
})

t.test('what was damaged on its way is not taken for marks, and read again', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  const a = await startProcess(t, { url, prefix })
  let damage = (reply: string[]): string[] => reply
  const b = new RedisMarks({
    open: () => Object.create(client, { eval: { value: async (...args: Parameters<typeof client.eval>) => damage(await client.eval(...args) as string[]) } }) as ConnectedRedis,
    prefix
  })
  await b.refresh()
  for (const [place, [from, to]] of [/ht:x/, /^h/, /^\d/, /\d$/, /[0-8](?=\d{4}$)/].flatMap((place) => [['1', '9'], ['t', 'u'], ['h', 's'], ['3', '7'], ['5', '4']].map((change) => [place, change] as const))) {
    const filled = b.ledger.stamp!
    await a.marks.mark('hard', [X])
    let isDamaged = false
    damage = (reply) => reply.map((text, at) => {
      const other = at > 0 && !isDamaged ? text.replace(place, (found) => found.replaceAll(from!, to!)) : text
      isDamaged ||= other !== text
      return other
    })
    const refreshed = await b.refresh().then(() => true, () => false)
    t.not(refreshed, isDamaged, `${String(place)}: ${from} is ${to}`)
    damage = (reply) => reply
    await b.refresh()
    t.equal(b.ledger.verdict({ filled, labels: [X] }, { id: 'test:id' }), 'dead')
  }
})

t.test('a clock that is read too late hides no mark that is set before it', async (t) => {
  const { url, prefix, client } = await useRedis(t)
  const a = await startProcess(t, { url, prefix })
  let ahead = 0
  const b = new RedisMarks({
    open: () => Object.create(client, {
      zmScore: {
        value: async (key: string, members: string[]) => {
          const scores = await client.zmScore(key, members)
          const late = ahead
          ahead = 0
          return scores.map((score, at) => members[at] === 'c' ? score! + late : score)
        }
      }
    }) as ConnectedRedis,
    prefix
  })
  await b.refresh()
  const filled = b.ledger.stamp!
  ahead = 4_000_000
  await t.rejects(b.refresh())
  await a.marks.mark('hard', [X])
  await b.refresh()
  t.equal(b.ledger.verdict({ filled, labels: [X] }, { id: 'test:id' }), 'dead')
})

t.test('what a process marks while it reads all marks is not forgotten', async (t) => {
  const { url, prefix } = await useRedis(t)
  const a = await startProcess(t, { url, prefix })
  await a.marks.mark('hard', [Z])
  const b = await startProcess(t, { url, prefix })
  let filled: FillStamp | undefined
  // A second read of all begins while the first is under way, as at every start under load.
  b.after('eval', async () => {
    await b.marks.refresh()
    filled = b.fill()
    await b.marks.mark('hard', [X])
  })
  await b.marks.refresh()
  t.equal(b.judge(filled!, X), 'dead')
})

t.test('marks and refreshes of several processes at once, through single connections and pools', async (t) => {
  for (const pool of [false, true]) {
    const { url, prefix } = await useRedis(t)
    const processes = await Promise.all([1, 2].map(() => startProcess(t, { url, prefix, pool })))
    await settle(processes)
    let missed = 0
    await Promise.all(Array.from({ length: 16 }, async (_, task) => {
      const [one, other] = task % 2 === 0 ? processes as [Process, Process] : processes.toReversed() as [Process, Process]
      for (let round = 0; round < 25; round++) {
        const label = tagLabel(`${task} ${round}`)
        const filled = other.fill()
        await one.marks.mark('hard', [label])
        if (one.judge(filled, label) !== 'dead') missed++
        await other.marks.refresh()
        if (other.judge(filled, label) !== 'dead') missed++
      }
    }))
    t.equal(missed, 0, `pool: ${pool}`)
    const restored = processes.flatMap(({ sent }) => sent).filter(({ name, text }) => name === 'eval' && text.includes("'GT'")).length
    t.equal(restored, 0, `nothing was lost, and nothing is put back, pool: ${pool}`)
  }
})
