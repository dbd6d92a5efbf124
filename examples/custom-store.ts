// Entries as files of a folder:  npx tsx examples/custom-store.ts
// curl -i http://127.0.0.1:3000/report      (stop it, start it again, and ask again: still a HIT)
import { hash, randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import Fastify from 'fastify'
import responseCache, { decodeEntry, encodeEntry, type Store, type StoreKey } from 'fastify-response-cache'

const folder = `${tmpdir()}/folder-store-example`
mkdirSync(folder, { recursive: true, mode: 0o700 })

/** One file per entry; its time of modification is the time when it expires. */
const store: Store = {
  async get (key) {
    return await store.ttlMs(key) === undefined ? undefined : decodeEntry(await readFile(fileOf(key)))
  },
  async set (key, entry, ttlMs) {
    const file = `${fileOf(key)}.${randomUUID()}` // renamed, so that nobody reads half of an entry
    await writeFile(file, encodeEntry(entry))
    await utimes(file, new Date(), new Date(Date.now() + ttlMs))
    await rename(file, fileOf(key))
  },
  async delete (key) {
    const existed = await store.ttlMs(key) !== undefined
    await rm(fileOf(key), { force: true })
    return existed
  },
  async expire (key, ttlMs) {
    if (await store.ttlMs(key) === undefined) return false
    await utimes(fileOf(key), new Date(), new Date(Date.now() + ttlMs))
    return true
  },
  async ttlMs (key) {
    const { mtimeMs } = await stat(fileOf(key)).catch(absent)
    return mtimeMs > Date.now() ? mtimeMs - Date.now() : undefined
  },
  ping () {},
  connect () {},
  close () {}
}

const fileOf = ({ text }: StoreKey): string => `${folder}/${hash('sha256', text)}`

function absent (error: NodeJS.ErrnoException): { mtimeMs: number } {
  if (error.code === 'ENOENT') return { mtimeMs: 0 }
  throw error
}

const app = Fastify()
await app.register(responseCache, { store })
app.get('/report', { config: { cache: '1h' } }, async () => ({ at: new Date() }))
console.log(`curl -i ${await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT ?? 3000) })}/report`)
