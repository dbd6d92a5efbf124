import fc from 'fast-check'
import { test, type Test } from 'tap'
import { keyLabel, namespaceLabel, patternLabel, tagLabel, urlLabels, urlMarks, userLabel } from '../../lib/marks/labels.ts'
import { labelsOf } from '../../lib/marks/targets.ts'

const COVERS = [true, false]

/** Whether an invalidation of one URL means a response to the other. */
function hits (invalidated: string, requested: string, coversQuery: boolean): boolean {
  const labels = urlLabels(requested, { coversQuery })
  return urlMarks(invalidated).some((mark) => labels.includes(mark))
}

function allHit (t: Test, invalidated: string, requested: string): void {
  for (const coversQuery of COVERS) t.ok(hits(invalidated, requested, coversQuery), `${invalidated} means ${requested}, coversQuery: ${coversQuery}`)
}

function noneHits (t: Test, invalidated: string, requested: string): void {
  for (const coversQuery of COVERS) t.notOk(hits(invalidated, requested, coversQuery), `${invalidated} does not mean ${requested}, coversQuery: ${coversQuery}`)
}

/** Forms of one URL: whichever is requested, whichever is invalidated, they mean each other. */
const FORMS: Record<string, string[]> = {
  'the order of the query': ['/a?x=1&y=2', '/a?y=2&x=1'],
  'an encoded query': ['/a?x=%20&y=%C3%A4', '/a?x=+&y=ä', '/a?%78=%20&y=ä'],
  'a name without a value': ['/a?x', '/a?x='],
  'case, for routers that ignore it': ['/Users/Ä', '/users/ä', '/USERS/%C3%84', '/users/%c3%a4'],
  'trailing and double slashes, for routers that ignore them': ['/a/b', '/a/b/', '/a//b', '/a/b//', '//a/b'],
  'the root': ['/', '//', '///', '/?', 'http://example.com', 'http://example.com/'],
  'dot segments': ['/a/c', '/a/./c', '/a/b/../c', '/a/%2e/c', '/a/b/%2E%2e/c', '/../a/c'],
  'absolute URLs': ['/a?x=1', 'http://example.com/a?x=1', 'https://other.example:8443/a?x=1', 'HTTP://user:password@example.com/a?x=1'],
  'no slash at the start': ['/users/1', 'users/1'],
  'what is behind a number sign': ['/a', '/a#part', '/a?#part'],
  'an encoded character': ['/caf%C3%A9 x', '/café%20x', '/caf%c3%a9 x'],
  'what is no encoding': ['/100%', '/100%25'],
  'half a surrogate pair': ['/\ud800', '/\ufffd', '/%EF%BF%BD'],
  'half a surrogate pair in the query': ['/a?x=\udc00', '/a?x=\ufffd', '/a?x=%EF%BF%BD'],
  'an empty query': ['/a', '/a?', '/a?&', '/a?&&']
}

for (const [name, urls] of Object.entries(FORMS)) {
  test(`an invalidation means all forms of a URL: ${name}`, async (t) => {
    for (const one of urls) for (const other of urls) allHit(t, one, other)
  })
}

test('an invalidation without a query means the path with every query', async (t) => {
  for (const query of ['', '?x=1', '?x=1&y=2', '?%00', '?x[a]=1']) allHit(t, '/a', `/a${query}`)
})

test('an invalidation with a query means no other query, and not the path without one', async (t) => {
  for (const other of ['/a', '/a?x=2', '/a?x=1&y=2', '/a?x=1&x=1']) t.notOk(hits('/a?x=1', other, true), other)
  t.notOk(hits('/a?x=1&x=2', '/a?x=2&x=1', true), 'values of one name have an order')
})

test('where the key covers less than the query, an invalidation with any query means every response of the path', async (t) => {
  for (const other of ['/a', '/a?x=2', '/a?x=1&y=2']) t.ok(hits('/a?x=1', other, false), other)
})

test('an invalidation of a path means what a router takes for its query behind a semicolon', async (t) => {
  for (const other of ['/a;x=1', '/a/;x=1', '/a;x=1?y=2']) allHit(t, '/a', other)
})

test('another path is not meant', async (t) => {
  for (const [one, other] of [['/a', '/b'], ['/a', '/a/b'], ['/a/b', '/a'], ['/', '/a'], ['/a?x=1', '/b?x=1'], ['/a.b', '/a/b']]) {
    noneHits(t, one!, other!)
  }
})

test('a URL that is a namesake of a host or a scheme is a path', async (t) => {
  for (const url of ['/http://a/b', '//a.example/b', '/user:1', '///', '/.:1']) {
    for (const label of urlLabels(url, { coversQuery: true })) t.match(label, /^l:\//)
    allHit(t, url, url)
  }
})

test('a text that names a path without its first slash means that path, or is an error', async (t) => {
  for (const [text, url] of [['users/1', '/users/1'], ['user:1', '/user:1'], ['localhost:3000/users/1', '/users/1'], ['example.com:80/users/1', '/users/1']]) {
    let meant = false
    try {
      const marks = labelsOf({ urls: [text] })
      meant = marks.some((mark) => urlLabels(url!, { coversQuery: true }).includes(mark))
    } catch {
      meant = true
    }
    t.ok(meant, `${text} is not an invalidation of nothing`)
  }
})

test('white space at an end of a URL belongs to it', async (t) => {
  for (const [invalidated, requested] of [['/search/foo ', '/search/foo%20'], ['/a\tb', '/a%09b'], ['/a\nb', '/a%0Ab'], ['/a?q=foo ', '/a?q=foo%20'], ['/%0A', '/%0A/']]) {
    allHit(t, invalidated!, requested!)
  }
})

/** Texts full of what URLs are made of and what breaks them. */
const part = fc.string({ unit: fc.constantFrom('a', 'B', 'ä', 'İ', '.', '%', '%2e', '%2F', '%41', '%ff', '%', '+', ' ', '\ud800', '\ud83d\ude00', ':', '@', '\\', ';', '*', '\0'), maxLength: 6 })
const path = fc.array(part, { maxLength: 4 }).map((parts) => `/${parts.join('/')}`)
const pairs = fc.array(fc.tuple(part, part), { maxLength: 3 })

function withQuery (path: string, query: ReadonlyArray<readonly [string, string]>): string {
  return query.length === 0 ? path : `${path}?${query.map(([name, value]) => `${name}=${value}`).join('&')}`
}

test('an invalidation of a URL always means a response to that URL', async () => {
  const url = fc.oneof(fc.tuple(path, pairs).map(([path, query]) => withQuery(path, query)), fc.string({ unit: 'binary', minLength: 1 }), fc.webUrl({ withQueryParameters: true }))
  fc.assert(fc.property(url, fc.boolean(), (url, coversQuery) => hits(url, url, coversQuery)), { numRuns: 5000 })
})

test('an invalidation of a path means a response to it with any query', async () => {
  fc.assert(fc.property(path, pairs, fc.boolean(), (path, query, coversQuery) => hits(path, withQuery(path, query), coversQuery)), { numRuns: 5000 })
})

test('names of a query in another order are the same query', async () => {
  const named = fc.uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'c', 'ä', 'x[]'), part), { maxLength: 4, selector: ([name]) => name })
  fc.assert(fc.property(path, named, fc.infiniteStream(fc.nat()), fc.boolean(), (path, query, random, coversQuery) => {
    const order = new Map(query.map((pair) => [pair, random.next().value]))
    const shuffled = query.toSorted((one, other) => order.get(one)! - order.get(other)!)
    return hits(withQuery(path, shuffled), withQuery(path, query), coversQuery)
  }), { numRuns: 5000 })
})

test('every label can be written in UTF-8 and read again', async () => {
  const text = fc.string({ unit: fc.constantFrom('a', ':', '/', '?', '\ud800', '\udc00', '\ud83d\ude00'), minLength: 1, maxLength: 6 })
  fc.assert(fc.property(text, (text) => {
    const labels = [tagLabel, namespaceLabel, userLabel, keyLabel, patternLabel].map((label) => label(text))
    labels.push(...urlMarks(text), ...urlLabels(text, { coversQuery: true }), ...urlLabels(text, { coversQuery: false }))
    return labels.every((label) => Buffer.from(label).toString() === label)
  }))
})

test('kinds of targets are told apart, and a user is the same as a number and as a text', async (t) => {
  const labels = labelsOf({ keys: ['1'], tags: ['1'], namespaces: ['1'], patterns: ['1'], users: ['1'], urls: ['/1'] })
  t.equal(labels.length, 6)
  t.equal(new Set(labels).size, 6)
  t.same(labelsOf({ users: [7, '7'] }), [userLabel(7)])
  t.same(labelsOf({ tags: [], urls: undefined }), [])
})
