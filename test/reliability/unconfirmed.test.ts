import { test } from 'tap'
import { ALL, keyLabel, patternLabel, tagLabel } from '../../lib/marks/labels.ts'
import { UnconfirmedMarks } from '../../lib/marks/unconfirmed.ts'

const key = { id: 'user:1' }
const [a, b, c] = [tagLabel('a'), tagLabel('b'), tagLabel('c')]

function marks (most = 100): UnconfirmedMarks {
  return new UnconfirmedMarks({ most })
}

test('what was filled before is dead or stale, what is filled later is not meant', async (t) => {
  const unconfirmed = marks()
  t.equal(unconfirmed.verdict([a], key, 0), 'live')
  unconfirmed.add('soft', [a])
  t.equal(unconfirmed.verdict([a], key, 0), 'stale')
  t.equal(unconfirmed.verdict([b], key, 0), 'live')
  unconfirmed.add('hard', [a])
  t.equal(unconfirmed.verdict([a], key, 0), 'dead')
  t.equal(unconfirmed.verdict([a], key, 1), 'dead', 'filled between the two')
  t.equal(unconfirmed.verdict([a], key, unconfirmed.number), 'live')
})

test('each label is meant from its own invalidation on, not from the latest of all', async (t) => {
  const unconfirmed = marks()
  unconfirmed.add('hard', [a])
  unconfirmed.add('hard', [b])
  t.strictSame([unconfirmed.verdict([a], key, 1), unconfirmed.verdict([b], key, 1)], ['live', 'dead'], 'what was filled between the two')
})

test('a pattern means keys as they are stored, also those that are no well-formed text', async (t) => {
  const unconfirmed = marks()
  unconfirmed.add('hard', [patternLabel('user:\ud800*')])
  t.equal(unconfirmed.verdict([], { id: 'user:\ud8001' }, 0), 'dead')
  t.equal(unconfirmed.verdict([], { id: 'user:1' }, 0), 'live')
})

test('keys, patterns and everything are meant as well', async (t) => {
  for (const label of [keyLabel('user:1'), patternLabel('user:*'), ALL]) {
    const unconfirmed = marks()
    unconfirmed.add('hard', [label])
    t.equal(unconfirmed.verdict([], key, 0), 'dead', label)
    t.equal(unconfirmed.verdict([], { id: 'other' }, 0), label === ALL ? 'dead' : 'live', label)
  }
})

test('what is confirmed waits no longer, but for what was invalidated again meanwhile', async (t) => {
  const unconfirmed = marks()
  const first = unconfirmed.add('hard', [a, b])
  const second = unconfirmed.add('hard', [b])
  unconfirmed.confirm(first)
  t.strictSame([unconfirmed.verdict([a], key, 0), unconfirmed.verdict([b], key, 0)], ['live', 'dead'])
  t.strictSame([unconfirmed.isWaiting(first), unconfirmed.isWaiting(second)], [true, true], 'the first names the label as well')
  unconfirmed.confirm(second)
  t.strictSame([unconfirmed.size, unconfirmed.isWaiting(first)], [0, false])
})

test('a soft invalidation that is confirmed does not end a hard one', async (t) => {
  const unconfirmed = marks()
  unconfirmed.add('hard', [a])
  const soft = unconfirmed.add('soft', [a])
  unconfirmed.confirm(soft)
  t.equal(unconfirmed.verdict([a], key, 0), 'dead')
})

test('they are sent in the order of the calls, each label once and as what it was last', async (t) => {
  const unconfirmed = marks()
  unconfirmed.add('hard', [a, b])
  unconfirmed.add('soft', [c])
  unconfirmed.add('hard', [a])
  const sent: unknown[] = []
  for (let batch = unconfirmed.next(10); batch !== undefined; batch = unconfirmed.next(10)) {
    sent.push([batch.kind, ...batch.labels])
    unconfirmed.confirm(batch)
  }
  t.strictSame(sent, [['hard', b], ['soft', c], ['hard', a]])
  unconfirmed.add('hard', [a, b, c])
  t.strictSame(unconfirmed.next(2)?.labels, [a, b], 'not more than asked for')
  unconfirmed.add('hard', [b])
  const all = unconfirmed.next(10)!
  t.strictSame(all.labels, [a, c, b])
  unconfirmed.confirm(all)
  t.equal(unconfirmed.size, 0, 'all that was sent at once is confirmed at once, of whatever calls')
})

test('more than the bound become one that means everything: none is forgotten', async (t) => {
  const unconfirmed = marks(3)
  const first = unconfirmed.add('soft', [a, b, c])
  unconfirmed.add('hard', [tagLabel('d')])
  t.equal(unconfirmed.size, 4, 'not while they are on their way')
  unconfirmed.bound()
  t.strictSame(unconfirmed.next(10)?.labels, [ALL], 'and that is marked')
  t.equal(unconfirmed.verdict([tagLabel('unheard of')], key, 0), 'dead')
  t.equal(unconfirmed.isWaiting(first), true)
  const later = unconfirmed.add('hard', [a])
  unconfirmed.confirm(later)
  t.equal(unconfirmed.isWaiting(later), false, 'what came after that is not among it')
  for (let i = 0; i < 1000; i++) {
    unconfirmed.add('soft', [tagLabel(`${i}`)])
    unconfirmed.bound()
  }
  t.ok(unconfirmed.size <= 3, `${unconfirmed.size}`)
  unconfirmed.confirm(unconfirmed.next(10)!)
  while (unconfirmed.size > 0) unconfirmed.confirm(unconfirmed.next(10)!)
  t.equal(unconfirmed.isWaiting(first), false)
})
