import { brotliCompressSync } from 'node:zlib'
import type { Entry, Store, StoreKey } from 'fastify-response-cache'
import { test, type Test } from 'tap'
import { openConnection } from '../plugin/connection.ts'
import { requestText } from '../plugin/exchange.ts'
import { cached, scene, type Scene } from './stage.ts'

const TEXT = 'a text '.repeat(400)
const MARK = 'of another response'

/** A store whose entries the test can reach. */
function openStore (): { store: Store, entries: Map<string, Entry> } {
  const entries = new Map<string, Entry>()
  const store: Store = {
    get: ({ text }: StoreKey) => entries.get(text),
    set ({ text }, entry) { entries.set(text, entry) },
    delete: ({ text }) => entries.delete(text),
    expire: () => true,
    ttlMs: () => 60_000,
    ping () {},
    connect () {},
    close () {}
  }
  return { store, entries }
}

/** `GET /` is stored compressed, with this text in place of its own; the entry says that it has so many bytes. */
async function withEntry (t: Test, { text, bytes }: { text: string, bytes: number }): Promise<Scene> {
  const { store, entries } = openStore()
  const site = await scene(t, (app) => {
    app.get('/', cached({ compress: 'br' }), async (_request, reply) => reply.type('text/plain').send(TEXT))
    app.get('/next', async () => 'the next response')
  }, { cache: { store } })
  await site.ask('/')
  let changed = 0
  for (const [key, entry] of entries) {
    if (entry.kind !== 'response' || entry.coded === undefined) continue
    entries.set(key, { ...entry, body: brotliCompressSync(text), coded: { ...entry.coded, bytes } })
    changed++
  }
  t.equal(changed, 1, 'an entry')
  return site
}

/** All that comes over one connection for this request and one more. */
async function received (t: Test, { port }: Scene): Promise<string> {
  const { socket, end } = await openConnection(t, port, '/', { headers: { connection: 'keep-alive' } })
  socket.write(requestText('/next'))
  return await end()
}

const wrong: Record<string, { text: string, bytes: number }> = {
  'a little longer than it says': { text: `${'A'.repeat(10)}HTTP/1.1 200 OK\r\ncontent-length: ${MARK.length}\r\n\r\n${MARK}`, bytes: 10 },
  'longer by many chunks': { text: 'A'.repeat(100_000) + MARK, bytes: 50_000 },
  'a little shorter than it says': { text: 'A'.repeat(10), bytes: 100 },
  'shorter by many chunks': { text: 'A'.repeat(50_000), bytes: 100_000 },
  empty: { text: '', bytes: 100 }
}

for (const [what, { text, bytes }] of Object.entries(wrong)) {
  test(`an entry whose body is ${what} breaks the connection, and no bytes of it are those of another response`, async (t) => {
    const all = await received(t, await withEntry(t, { text, bytes }))
    const [head = '', ...rest] = all.split('\r\n\r\n')
    t.notOk(all.includes(MARK), 'what is more is not sent')
    if (head.startsWith('HTTP/1.1 200')) {
      t.match(head.toLowerCase(), `content-length: ${bytes}`)
      t.ok(rest.join('').length < bytes, 'the client sees that it is not whole')
      t.notOk(all.includes('the next response'), 'and nothing comes after it')
    } else t.match(head, /^(HTTP\/1.1 500|$)/)
  })
}

test('an entry that says how long its body is goes over a connection that goes on', async (t) => {
  const text = 'A'.repeat(100_000)
  const all = await received(t, await withEntry(t, { text, bytes: text.length }))
  t.ok(all.includes(text), 'the whole body')
  t.ok(all.endsWith('the next response'), 'and the next response')
})
