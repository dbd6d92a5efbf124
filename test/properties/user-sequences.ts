import type { FastifyInstance, InjectOptions } from 'fastify'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import type { Dice } from './dice.ts'
import type { Life } from './user-handlers.ts'
import { NAMES, type Plan } from './user-plans.ts'

export type Asker = typeof NAMES[number] | undefined

/** What was seen over all sequences: how many answers of a kind, and how many of those had the name of who asked. */
export type Seen = Map<string, { answers: number, named: number }>

export interface Scene {
  readonly app: FastifyInstance
  readonly life: Life
  readonly clock: { now: number }
  readonly seen: Seen
}

/** Requests by users and by nobody, many of them at once, while time goes by and things are invalidated. Gives what is wrong. */
export async function runSequence ({ app, life, clock, seen }: Scene, plan: Plan): Promise<string | undefined> {
  const { dice } = life
  const log: string[] = []
  for (let burst = 0, bursts = 3 + dice.below(4); burst < bursts; burst++) {
    const asked = Array.from({ length: 1 + dice.below(6) }, () => requestOf(dice, plan))
    const answers = asked.map(async ({ asker, request }) => await ask(app, request).then((answer) => ({ asker, request, ...answer })))
    if (dice.chance(0.3)) await nextTurn()
    if (dice.chance(0.1)) log.push(await invalidate(app, dice, plan))
    for (const { asker, request, status, text } of await Promise.all(answers)) {
      log.push(`${asker ?? 'nobody'} ${request.method} ${String(request.url)}: ${status}`)
      count(seen, { plan, asker, status, text })
      const other = NAMES.find((name) => name !== asker && text.toLowerCase().includes(name.toLowerCase()))
      if (other !== undefined) return `${asker ?? 'nobody'} was given what is for ${other}\n${text}\n${describe(plan)}\n${log.join('\n')}`
    }
    if (dice.chance(0.7)) await quiet(life)
    if (dice.chance(0.45)) clock.now += dice.pick([1, 900, 3000, 5500, 9000, 11_000, 25_000])
    if (dice.chance(0.15)) log.push(await invalidate(app, dice, plan))
  }
  await quiet(life)
  return undefined
}

function requestOf (dice: Dice, plan: Plan): { asker: Asker, request: InjectOptions } {
  const asker = dice.pick([...NAMES, NAMES[0], undefined])
  const query = dice.pick(['', '', '', '', '', '', '', '?lang=de', '?lang=de', '?skip=1', ...asker === undefined ? [] : [`?me=${asker}`, `?lang=de&me=${asker}`]])
  const cookies = [...asker !== undefined && plan.carrier === 'cookie' ? [`sid=${asker}`] : [], ...dice.chance(0.1) ? ['_ga=GA1.1'] : [], ...dice.chance(0.1) ? ['theme=dark'] : []]
  const headers: Record<string, string> = {
    host: 'a.example',
    ...asker === undefined || plan.carrier === 'cookie' ? {} : { [plan.carrier]: plan.carrier === 'authorization' ? `Bearer ${asker}` : asker },
    ...cookies.length === 0 ? {} : { cookie: cookies.join('; ') },
    ...dice.sometimes(0.2, { 'accept-language': dice.pick(['de', 'en', '']) }),
    ...dice.sometimes(0.2, { 'accept-encoding': dice.pick(['gzip', 'br, gzip;q=0.5', 'identity', '*;q=0']) }),
    ...dice.sometimes(0.15, { 'if-none-match': dice.pick(['*', '"x"', ...asker === undefined ? [] : [`"of-${asker}"`]]) }),
    ...dice.sometimes(0.1, { 'if-modified-since': 'Fri, 01 Jan 2016 00:00:00 GMT' }),
    ...dice.sometimes(0.1, { range: dice.pick(['bytes=0-3', 'bytes=-5', 'bytes=0-1,3-4']) }),
    ...dice.sometimes(0.15, { 'cache-control': dice.pick(['no-cache', 'no-store', 'max-age=0', 'only-if-cached', 'max-stale']) })
  }
  const method = plan.method === 'POST' ? 'POST' : dice.chance(0.1) ? 'HEAD' : 'GET'
  const url = plan.url.replace(':id', dice.chance(0.85) ? '1' : '2') + query
  return { asker, request: { method, url, headers, ...method === 'POST' ? { payload: { a: dice.below(2) } } : {} } }
}

/** Everything that the client gets to see. A stream that breaks is an answer as well. */
async function ask (app: FastifyInstance, request: InjectOptions): Promise<{ status: string, text: string }> {
  const { statusCode, headers, rawPayload } = await app.inject(request)
  const body = decoded(rawPayload, headers['content-encoding']).toString()
  return { status: `${String(headers['x-cache'])} ${String(headers['cache-status'])} ${statusCode}`, text: `${JSON.stringify(headers)}\n${body}` }
}

function decoded (bytes: Buffer, coding: number | string | string[] | undefined): Buffer {
  if (bytes.length === 0) return bytes // of HEAD
  return coding === 'gzip' ? gunzipSync(bytes) : coding === 'br' ? brotliDecompressSync(bytes) : bytes
}

function count (seen: Seen, { plan, asker, status, text }: { plan: Plan, asker: Asker, status: string, text: string }): void {
  const kind = status.includes('collapsed') ? 'collapsed' : status.split(' ')[0]!
  for (const name of [kind, ...kind === 'HIT' || kind === 'STALE' || kind === 'collapsed' ? [`${kind} with guard ${plan.guard}`, `${kind} with ${plan.cover}`] : []]) {
    const entry = seen.get(name) ?? { answers: 0, named: 0 }
    entry.answers++
    if (asker !== undefined && text.includes(asker)) entry.named++
    seen.set(name, entry)
  }
}

async function invalidate (app: FastifyInstance, dice: Dice, plan: Plan): Promise<string> {
  const targets = dice.pick([{ tags: ['all'] }, { tags: [`by:${NAMES[0]}`] }, { users: [NAMES[0]] }, { users: [NAMES[1]] }, { namespaces: ['one'] }, { urls: [plan.url.replace(':id', '1')] }])
  const soft = dice.chance(0.6)
  await app.cache.invalidate(targets, { soft })
  return `invalidated ${soft ? 'softly ' : ''}${JSON.stringify(targets)}`
}

/** Until what runs in the background is done. */
async function quiet (life: Life): Promise<void> {
  do {
    for (let turns = 0; turns < 5; turns++) await nextTurn()
  } while (life.running > 0)
}

function describe ({ options, ...plan }: Plan): string {
  return `${JSON.stringify(plan)}\n${JSON.stringify(options, (_name, value: unknown) => typeof value === 'function' ? String(value) : value)}`
}
