import t from 'tap'
import { causeInWords, readableLabel } from '../../lib/inspect/label-words.ts'
import { keyLabel, patternLabel, tagLabel } from '../../lib/marks/labels.ts'
import { MarkLedger, type Mark } from '../../lib/marks/ledger.ts'

const KEY = { id: 'user:1' }

function ledgerWith (marks: Mark[], clock = 100): MarkLedger {
  const ledger = new MarkLedger()
  ledger.restart('life')
  ledger.learn(marks, clock)
  return ledger
}

const filledAt = (stamp: number, labels = ['t:red', 't:blue']) => ({ filled: { incarnation: 'life', stamp }, labels })

t.test('the label with the newest mark is the cause, hard before soft', (t) => {
  const cases: Array<[Mark[], string | undefined]> = [
    [[], undefined],
    [[{ kind: 'hard', label: 't:red', stamp: 5 }], undefined], // filled later
    [[{ kind: 'hard', label: 't:green', stamp: 50 }], undefined],
    [[{ kind: 'hard', label: 't:red', stamp: 50 }], 't:red'],
    [[{ kind: 'hard', label: 't:red', stamp: 50 }, { kind: 'hard', label: 't:blue', stamp: 60 }], 't:blue'],
    [[{ kind: 'hard', label: 't:red', stamp: 50 }, { kind: 'soft', label: 't:blue', stamp: 60 }], 't:red'],
    [[{ kind: 'hard', label: 't:red', stamp: 5 }, { kind: 'soft', label: 't:blue', stamp: 60 }], 't:blue'],
    [[{ kind: 'hard', label: patternLabel('user:*'), stamp: 50 }, { kind: 'hard', label: patternLabel('post:*'), stamp: 60 }], 'p:user:*'],
    [[{ kind: 'hard', label: keyLabel('user:1'), stamp: 50 }], 'k:user:1'],
    [[{ kind: 'hard', label: 'a', stamp: 50 }], 'a']
  ]
  for (const [marks, label] of cases) t.same(ledgerWith(marks).causeOf(filledAt(10), KEY), label === undefined ? undefined : { label }, JSON.stringify(marks))
  t.end()
})

t.test('marks that are lost, dropped, or not confirmed yet are causes as well', (t) => {
  t.equal(ledgerWith([]).causeOf({ filled: { incarnation: 'other', stamp: 1 }, labels: [] }, KEY), 'lost')
  const old = ledgerWith([])
  old.raiseFloor(50)
  t.equal(old.causeOf(filledAt(10), KEY), 'dropped')
  const waiting = ledgerWith([])
  waiting.unconfirmed.add('hard', [tagLabel('red')])
  t.equal(waiting.causeOf(filledAt(100), KEY), 'unconfirmed')
  t.equal(waiting.causeOf(filledAt(100, []), KEY), undefined)
  for (const cause of ['lost', 'dropped', 'unconfirmed'] as const) t.match(causeInWords(cause), /mark|invalidation/)
  t.end()
})

t.test('labels in words', (t) => {
  const cases: Array<[string, string, string]> = [
    ['t:user:1', 'tag', 'user:1'],
    ['n:user', 'namespace', 'user'],
    ['u:7', 'user', '7'],
    ['k:user:GET:/a:hash', 'key', 'user:GET:/a:hash'],
    ['l:/a?b=1', 'url', '/a?b=1'],
    ['q:/a', 'url', '/a with any query'],
    ['a', 'all', ''],
    ['a:b', 'other', 'a:b'],
    ['t:two\nlines', 'tag', 'two\nlines'],
    ['constructor', 'other', 'constructor']
  ]
  for (const [label, kind, value] of cases) t.same(readableLabel(label), { kind, value }, label)
  t.equal(causeInWords({ label: 't:two\nlines' }), 'tag "two\\nlines"', 'on one line')
  t.equal(causeInWords({ label: 'a' }), 'everything')
  t.end()
})
