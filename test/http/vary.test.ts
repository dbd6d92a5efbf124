import fc from 'fast-check'
import { test } from 'tap'
import { parseVary, selectingValue, variesMatch } from '../../lib/http/vary.ts'

test('Vary names fields, in lower case and once', async (t) => {
  const table: Array<[string | string[] | undefined, readonly string[]]> = [
    [undefined, []], ['', []], [',', []], [' , ', []], ['Accept', ['accept']], ['Accept, accept', ['accept']], [' Accept ,\tOrigin', ['accept', 'origin']], ['a,,b', ['a', 'b']], [['A', 'b, C'], ['a', 'b', 'c']], [[], []], [['', 'a'], ['a']],
    ['__proto__, constructor', ['__proto__', 'constructor']], ['x-*', ['x-*']]
  ]
  for (const [field, names] of table) t.strictSame(parseVary(field), names, JSON.stringify(field))
})

test('a star in any member, in any line, or a name that is none means: varies by something else (Django CVE-2026-6907)', async (t) => {
  const fields = ['*', ' * ', 'a, *', '*, a', 'a,*,b', ',*', '*,', ['a', '*'], ['', '*'], ['a, *', 'b'], 'a b', 'a;b', '"a"', 'a:', 'a=b', 'é', 'a\0', 'a\nb', '(a)', '* *', '*\ta']
  for (const field of fields) t.equal(parseVary(field), '*', JSON.stringify(field))
})

test('a star is never passed over, whatever stands around it (http-cache-semantics CVE-2026-93750)', async (t) => {
  const member = fc.constantFrom('accept', 'Origin', '', ' ', 'x-a', '\t')
  fc.assert(fc.property(fc.array(member), fc.constantFrom('*', ' *', '*\t'), fc.array(member), fc.boolean(), (before, star, after, isList) => {
    const members = [...before, star, ...after]
    return parseVary(isList ? members : members.join(',')) === '*'
  }), { numRuns: 5000 })
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (field) => {
    const names = parseVary(field)
    return names === '*' || names.every((name) => /^[!#$%&'*+\-.^_`|~\w]+$/.test(name) && name === name.toLowerCase())
  }), { numRuns: 10_000 })
  t.pass('15,000 fields')
})

test('absent, empty and equal values are three things (Django CVE-2026-113593)', async (t) => {
  t.equal(selectingValue({}, 'a'), null)
  t.equal(selectingValue({ a: '' }, 'a'), '')
  t.equal(selectingValue({ a: 'null' }, 'a'), 'null')
  t.equal(selectingValue({ a: ['b', 'c'] }, 'a'), 'b, c')
  t.ok(variesMatch([], { a: 'b' }))
  t.ok(variesMatch([['a', null]], {}))
  t.notOk(variesMatch([['a', null]], { a: '' }))
  t.notOk(variesMatch([['a', '']], {}))
  t.notOk(variesMatch([['a', 'b']], { a: 'B' }))
  t.notOk(variesMatch([['a', 'b'], ['c', 'd']], { a: 'b', c: 'e' }))
  t.notOk(variesMatch([['a', 'b'], ['c', 'd']], { a: 'e', c: 'd' }))
  t.ok(variesMatch([['a', 'b'], ['c', null]], { a: 'b' }))
})

test('a response matches a request exactly when all of its selecting values are equal', async (t) => {
  const headers = fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.constantFrom('', 'x', 'y'), { noNullPrototype: true })
  fc.assert(fc.property(headers, headers, fc.uniqueArray(fc.constantFrom('a', 'b', 'c')), (stored, sent, names) => {
    const vary = names.map((name) => [name, selectingValue(stored, name)] as const)
    return variesMatch(vary, sent) === names.every((name) => stored[name] === sent[name])
  }), { numRuns: 5000 })
  t.pass('5000 pairs')
})
