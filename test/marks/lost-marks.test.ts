import t from 'tap'
import { tagLabel } from '../../lib/marks/labels.ts'
import { saved, scene, settle, type Process, type Scene } from './processes.ts'

/*
 * A failover to a replica that has not got the last writes: the marks are an older copy of themselves, of the same incarnation.
 */

const [X, Y] = ['x', 'y'].map(tagLabel) as [string, string]

t.test('a mark that a failover lost is back after the next refresh of the process that set it', async (t) => {
  const one = await scene(t)
  const [a, b] = one.processes as [Process, Process]
  const filled = b.fill()
  const lose = await saved(one)
  await a.marks.mark('hard', [X])
  await lose()
  await settle([a, b])
  for (const { judge } of [a, b]) t.equal(judge(filled, X), 'dead')
  t.not(await one.client.zScore(one.key, `h${X}`), null)
})

/** What happens besides: before the loss, and after it. */
const MEANWHILE: Record<string, { before?: (a: Process) => Promise<void>, after: (a: Process, b: Process) => Promise<void> }> = {
  'others have set marks meanwhile': { after: (a, b) => mark(b, Y) },
  'the process sets another mark before it refreshes': { after: (a) => mark(a, Y) },
  'another process marks the newest label again': { before: (a) => mark(a, Y), after: (a, b) => mark(b, Y) }
}

for (const [title, { before, after }] of Object.entries(MEANWHILE)) {
  t.test(`that holds when ${title}`, async (t) => {
    const one = await scene(t)
    const [a, b] = one.processes as [Process, Process]
    const filled = b.fill()
    const lose = await saved(one)
    await mark(a, X)
    await before?.(a)
    await lose()
    await after(a, b)
    await settle([a, b])
    for (const { judge } of [a, b]) t.equal(judge(filled, X), 'dead')
  })
}

async function mark ({ marks }: Process, label: string): Promise<void> {
  await marks.mark('hard', [label])
}

t.test('that holds when the lost marks had been dropped for the bound', async (t) => {
  const one = await scene(t, 2, 5)
  const [a, b] = one.processes as [Process, Process]
  const filled = b.fill()
  const lose = await saved(one)
  for (let i = 0; i < 10; i++) await a.marks.mark('hard', [tagLabel(String(i))])
  await lose()
  await settle([a, b])
  for (const { judge } of [a, b]) t.equal(judge(filled, tagLabel('0')), 'dead')
})

t.test('a mark that is set after a failover to a server whose clock is behind means what was filled before it', async (t) => {
  const one = await scene(t)
  const [a, b] = one.processes as [Process, Process]
  await one.client.zAdd(one.key, { value: 'c', score: (Date.now() + 3_600_000) * 1000 })
  await settle([a, b])
  const lose = await saved(one)
  await a.marks.mark('hard', [X])
  const filled = a.fill()
  await lose()
  await b.marks.mark('hard', [Y])
  await settle([a, b])
  for (const { judge } of [a, b]) t.equal(judge(filled, Y), 'dead')
})

t.test('after a failover to a server whose clock is behind, a process knows its own mark when it is confirmed', async (t) => {
  const one = await scene(t)
  const [a, b] = one.processes as [Process, Process]
  await one.client.zAdd(one.key, { value: 'c', score: (Date.now() + 3_600_000) * 1000 })
  await settle([a, b])
  const filled = a.fill()
  const lose = await saved(one)
  await a.marks.mark('hard', [X])
  await lose()
  await a.marks.mark('hard', [Y])
  t.equal(a.judge(filled, Y), 'dead')
})

t.test('after a flush a process puts nothing back', async (t) => {
  const { client, key, processes: [a] } = await scene(t) as Scene & { processes: [Process, Process] }
  await a.marks.mark('hard', [X])
  await client.del(key)
  await a.marks.refresh()
  a.sent.length = 0
  await a.marks.refresh()
  t.same(a.sent.map(({ name }) => name), ['zmScore'])
})

t.test('a life of the marks that comes back from a snapshot, by a clock that is behind, does not make old entries look new', async (t) => {
  const one = await scene(t, 1)
  const [{ marks, fill, judge }] = one.processes as [Process]
  await one.client.zAdd(one.key, { value: 'c', score: (Date.now() + 3_600_000) * 1000 })
  await marks.refresh()
  const load = await saved(one)
  await marks.mark('hard', [tagLabel('other')])
  const filled = fill()
  await one.client.del(one.key)
  await marks.refresh()
  t.equal(judge(filled, tagLabel('x')), 'dead', 'another life')
  await load()
  await marks.refresh()
  await marks.mark('hard', [tagLabel('x')])
  t.equal(judge(filled, tagLabel('x')), 'dead')
  const later = fill()
  t.equal(judge(later, tagLabel('x')), 'live')
})
