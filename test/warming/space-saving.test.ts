import t from 'tap'
import { SpaceSaving } from '../../lib/warming/space-saving.ts'

t.test('counts are exact while there are enough counters', async (t) => {
  const sketch = new SpaceSaving(3)
  for (const item of 'abacabc') sketch.add(item)
  t.strictSame([...sketch.drain()], [['a', 3], ['b', 2], ['c', 2]])
  t.equal(sketch.size, 0)
  sketch.add('d')
  t.strictSame([...sketch.drain()], [['d', 1]], 'it begins anew')
})

t.test('what comes most often is found among many that come once, and no count is too high', async (t) => {
  const sketch = new SpaceSaving(20)
  const exact = new Map<string, number>()
  const add = (item: string) => {
    exact.set(item, (exact.get(item) ?? 0) + 1)
    sketch.add(item)
  }
  for (let i = 0; i < 10_000; i++) {
    add(`once ${i}`)
    if (i % 5 === 0) for (const hot of ['x', 'y', 'z']) add(hot)
  }
  t.equal(sketch.size, 20, 'bounded')
  const counts = sketch.drain()
  for (const hot of ['x', 'y', 'z']) t.ok(counts.get(hot)! > 1000, `${hot}: ${counts.get(hot)}`)
  for (const [item, count] of counts) {
    t.ok(count >= 1 && count <= exact.get(item)!, `${item}: ${count}`)
  }
})
