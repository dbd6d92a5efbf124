import { test } from 'tap'
import { judge, parseFloor, score, withDependencies, type CacheTest, type Found } from '../../bench/conformance/count.ts'

/** The suite itself is not run here: it is installed by `npm run conformance`. */

const tests: CacheTest[] = [
  { id: 'gate', name: 'Stores nothing without freshness', kind: 'check' },
  { id: 'fresh', name: 'Reuses a fresh response', kind: 'optimal', depends_on: ['gate'] },
  { id: 'stale', name: 'Does not reuse a stale response', depends_on: ['fresh'] },
  { id: 'private', name: 'Does not reuse a private response' }
]

function verdicts (found: Record<string, Found>, of = tests) {
  return Object.fromEntries(judge(of, new Map(Object.entries(found))).map(({ id, verdict }) => [id, verdict]))
}

test('a test is not passed when one that it depends on is not, at any distance', (t) => {
  const found: Record<string, Found> = { gate: ['Assertion', 'Response 2 comes from cache'], fresh: true, stale: true, private: true }
  t.strictSame(verdicts(found), { gate: 'failed', fresh: 'dependency', stale: 'dependency', private: 'passed' })
  t.strictSame(verdicts({ ...found, gate: true }), { gate: 'passed', fresh: 'passed', stale: 'passed', private: 'passed' })
  t.end()
})

test('every dependency of a test has to be passed, in whatever order they stand', (t) => {
  const last: CacheTest = { id: 'both', name: 'Needs two', depends_on: ['private', 'later'] }
  const later: CacheTest = { id: 'later', name: 'Comes after the one that needs it' }
  for (const [missed, expected] of [['private', 'dependency'], ['later', 'dependency'], ['gate', 'passed']]) {
    const found = Object.fromEntries(['gate', 'private', 'both', 'later'].map((id): [string, Found] => [id, id === missed ? ['Assertion', 'no'] : true]))
    t.equal(verdicts(found, [last, ...tests, later]).both, expected, `without ${missed}`)
  }
  t.end()
})

test('a dependency that was not run is not passed, and nor is a test that was not', (t) => {
  t.strictSame(verdicts({ stale: true, private: true }), { gate: 'untested', fresh: 'untested', stale: 'dependency', private: 'passed' })
  t.end()
})

test('what went wrong is told apart', (t) => {
  const found: Record<string, Found> = {
    gate: ['Setup', 'retry'], fresh: true, stale: ['TypeError', 'no such response'], private: ['Setup', 'Response 1 status is 502, not 200']
  }
  const independent = tests.map((each) => ({ ...each, depends_on: undefined }))
  t.strictSame(verdicts(found, independent), { gate: 'retry', fresh: 'passed', stale: 'failed', private: 'setup' })
  const [, , stale] = judge(tests, new Map(Object.entries(found)))
  t.equal(stale?.reason, 'depends on fresh')
  t.equal(judge(independent, new Map(Object.entries(found))).at(-1)?.reason, 'Response 1 status is 502, not 200')
  t.end()
})

test('scores are by kind, with dependencies and without; a test without a kind is required', (t) => {
  const judged = judge(tests, new Map<string, Found>([['gate', true], ['fresh', ['Assertion', 'Response 2 does not come from cache']], ['stale', true], ['private', true]]))
  t.strictSame(score(judged, 'required'), { passed: 1, raw: 2, total: 2 })
  t.strictSame(score(judged, 'optimal'), { passed: 0, raw: 0, total: 1 })
  t.strictSame(score(judged, 'check'), { passed: 1, raw: 1, total: 1 })
  t.end()
})

test('a single test is run with all that it depends on', (t) => {
  t.strictSame(withDependencies(tests, 'stale').map(({ id }) => id), ['gate', 'fresh', 'stale'])
  t.strictSame(withDependencies(tests, 'private').map(({ id }) => id), ['private'])
  t.end()
})

test('a floor is one number or two, and anything else is refused', (t) => {
  t.strictSame(parseFloor('158,85'), { required: 158, optimal: 85 })
  t.strictSame(parseFloor('158'), { required: 158 })
  for (const wrong of ['', '158,', ',85', '158,85,3', 'all', '-1']) t.throws(() => parseFloor(wrong), { message: `--floor: expected two numbers such as 158,85; got ${wrong}` })
  t.end()
})
