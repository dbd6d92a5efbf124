/**
 * The outputs in docs/cli.md, from a real run: `node --import=tsx test/cli/docs.ts --write`. Each block of the page that begins with `$ …` is
 * run in the order of the page against an app with a known load and a Redis of its own; addresses are replaced by those that the page
 * names. Without `--write` it tells whether all of them could be run.
 */
import { EventEmitter, on } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as turn } from 'node:timers/promises'
import { asked } from '../helpers/redis-admin.ts'
import { findSnippets } from '../helpers/snippets.ts'
import { startServer } from '../helpers/redis-server.ts'
import { AUTHORIZATION, cli, load, startApp } from './scene.ts'

export const PAGE = join(import.meta.dirname, '../../docs/cli.md')
const ADDRESSES = { redis: 'redis://127.0.0.1:6379', origin: 'http://127.0.0.1:3000' }
const PROGRAM = 'npx fastify-response-cache '

/** The commands that the page shows, each with what stands below it. */
export function commandsOf (page: string): Array<{ text: string, command: string }> {
  return findSnippets('docs/cli.md', page).flatMap(({ text }) => {
    const [, command] = /^\$ (.*)\n/.exec(text) ?? []
    return command === undefined ? [] : [{ text, command }]
  })
}

/** Words as a shell reads them: quotes, and a variable for the key that was shown before. */
export function wordsOf (command: string): string[] {
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!)
}

async function writePage (): Promise<void> {
  const ends: Array<() => unknown> = []
  const folder = await mkdtemp(join(tmpdir(), 'cli-docs-'))
  const redis = await startServer({ args: ['--maxmemory-policy', 'allkeys-lru'] })
  try {
    const { app, origin } = await startApp({ teardown: (end: () => unknown) => { ends.push(end) } } as Parameters<typeof startApp>[0], { redis: redis.url, prefix: 'shop' })
    await app.cache.connect()
    await load(origin)
    await app.cache.stats({ fleet: true })
    await writeFile(join(folder, 'urls.txt'), '# what everybody asks for\n/users/1\n/users/7\n/session\n')
    const real = (text: string): string => text.replaceAll(ADDRESSES.redis, redis.url).replaceAll(ADDRESSES.origin, origin).replaceAll('urls.txt', join(folder, 'urls.txt'))
    const named = (text: string): string => text.replaceAll(redis.url, ADDRESSES.redis).replaceAll(origin, ADDRESSES.origin).replaceAll(new URL(redis.url).host, '127.0.0.1:6379').replaceAll(new URL(origin).host, '127.0.0.1:3000').replaceAll(`${folder}/`, '')
    let page = await readFile(PAGE, 'utf8')
    for (const { text, command } of commandsOf(page)) {
      const shown = await outputOf(real(command.slice(PROGRAM.length)), { origin, redis: redis.url, told: () => app.cache.stats({ fleet: true }) })
      // The key of the page is one that this run has.
      page = page.replace(text, () => `$ ${named(shown.command === undefined ? command : `${PROGRAM}${shown.command}`)}\n${named(shown.output)}`)
    }
    await writeFile(PAGE, page)
  } finally {
    for (const end of ends) await end()
    await redis.dispose()
    await rm(folder, { recursive: true })
  }
}

interface Scene {
  readonly origin: string
  readonly redis: string
  /** What the app has counted until now is told to all. */
  readonly told: () => Promise<unknown>
}

async function outputOf (command: string, { origin, redis, told }: Scene): Promise<{ output: string, command?: string }> {
  const env = { REDIS_URL: redis, CACHE_PREFIX: 'shop', CACHE_ADMIN_HEADER: `authorization: ${AUTHORIZATION}` }
  if (command.startsWith('monitor')) return { output: await monitored(command, { origin, redis, told }, env) }
  if (command.startsWith('inspect ')) {
    const { entries } = (await cli(['keys', '--json', '--match', '*/users/1:*'], { env })).json()
    command = command.replace(/^inspect \S+/, () => `inspect ${entries[0].key}`)
  }
  const { code, stdout, stderr } = await cli(wordsOf(command), { env })
  if (code === 2) throw new Error(`${command}: ${stderr}`)
  return { output: `${stdout}${stderr}`, command }
}

const SHOWN = [/invalidated/, /GET \/me /, /GET \/session /, /GET \/users\/:id /, /GET \/places /]

/** One invalidation shows that it has begun; what is requested behind that is news. */
async function monitored (command: string, { origin, redis, told }: Scene, env: Record<string, string>): Promise<string> {
  const [ending, output] = [new AbortController(), new EventEmitter()]
  const texts = on(output, 'text') as AsyncIterableIterator<[string]>
  const until = async (...patterns: RegExp[]): Promise<void> => {
    for (let isShown = false; !isShown;) {
      const { value: [text] } = await texts.next()
      isShown = patterns.every((pattern) => pattern.test(text))
    }
  }
  await told() // what was requested until now
  const running = cli(wordsOf(command), { env, signal: ending.signal, onOutput: (text) => { output.emit('text', text) } })
  await untilHeard(redis, 'shop:marks')
  await cli(['invalidate', '--tag', 'user:7', '--yes'], { env })
  await until(/invalidated/)
  await load(origin)
  await told()
  await until(...SHOWN)
  ending.abort()
  return (await running).stdout
}

/** Redis announces no listeners, and is asked. */
async function untilHeard (url: string, channel: string): Promise<void> {
  await asked({ url }, async (client) => {
    while ((await client.pubSubNumSub([channel]))[channel] === 0) await turn(10)
  })
}

if (process.argv[1] === import.meta.filename && process.argv.includes('--write')) await writePage()
