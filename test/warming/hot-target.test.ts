import t from 'tap'
import { decodeHotTarget, encodeHotTarget } from '../../lib/warming/hot-target.ts'

t.test('a target has one name, whatever the order of its header fields, and comes back from it', async (t) => {
  const target = { url: '/countries?page=2&q="a"', headers: { host: 'example.com', 'accept-language': 'de', 'x-forwarded-proto': 'https' } }
  const name = encodeHotTarget(target)!
  t.equal(encodeHotTarget({ ...target, headers: Object.fromEntries(Object.entries(target.headers).reverse()) }), name)
  t.strictSame(decodeHotTarget(name), target)
})

const wrong: Array<[string, unknown]> = [
  ['another host', ['//evil.example/']],
  ['another host to URL parsers', ['/\\evil.example/']],
  ['a whole URL', ['http://evil.example/']],
  ['no URL', [7]],
  ['a space', ['/a b']],
  ['a line break', ['/a\r\nhost: b']],
  ['a fragment', ['/a#b']],
  ['nothing', []],
  ['credentials', ['/', ['authorization', 'Bearer x']]],
  ['an API key', ['/', ['x-api-key', 'x']]],
  ['a cookie', ['/', ['cookie', 'a=b']]],
  ['a body', ['/', ['content-length', '3']]],
  ['a protocol upgrade', ['/', ['upgrade', 'websocket']]],
  ['a field name in capitals', ['/', ['Host', 'a']]],
  ['a pseudo field', ['/', [':authority', 'a']]],
  ['a value with a line break', ['/', ['host', 'a\r\nb: c']]],
  ['a value that is no text', ['/', ['host', 7]]],
  ['a field without a value', ['/', ['host']]],
  ['a field that is no pair', ['/', 'ho']],
  ['too long', [`/${'a'.repeat(2100)}`]],
  ['no list', { url: '/' }],
  ['null', null]
]

for (const [what, parts] of wrong) {
  t.test(`${what} is no target, neither on its way to a store nor back`, async (t) => {
    t.equal(decodeHotTarget(JSON.stringify(parts)), undefined)
    if (!Array.isArray(parts)) return
    const [url, ...fields] = parts as unknown[]
    if (fields.every((field) => Array.isArray(field) && field.length === 2)) {
      t.equal(encodeHotTarget({ url: url as string, headers: Object.fromEntries(fields as Array<[string, string]>) }), undefined)
    }
  })
}

t.test('a text that is not JSON is no target', async (t) => {
  t.equal(decodeHotTarget('/countries'), undefined)
  t.equal(decodeHotTarget('["/a"'), undefined)
})
