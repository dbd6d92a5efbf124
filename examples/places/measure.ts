import { setTimeout as delay } from 'node:timers/promises'
import type { Change, Stop } from './tour.ts'

const REPEATS = 15
const STORED_WITHIN_MS = 10_000

export interface Answer {
  status: number
  state: string
  contentType: string | null
  body: Buffer
  ms: number
}

/** A request, cold and warm. */
export interface Measurement {
  stop: Stop
  /** `X-Cache` of the first and of the last response. */
  states: string[]
  firstMs: number
  /** The median of the later ones. */
  laterMs: number
  /** What was not as it should be. */
  faults: string[]
}

/** Sends a stop once, and once more several times, and checks what comes back. */
export async function measure (stop: Stop, origin: string): Promise<Measurement> {
  const first = await send(stop, origin)
  const cached = stop.expect === 'MISS then HIT'
  const misses = cached ? [first, ...await untilHit(stop, origin)] : [first]
  const later: Answer[] = []
  for (let repeat = 0; repeat < (cached ? REPEATS : 1); repeat++) later.push(await send(stop, origin))

  const last = later.at(-1) ?? first
  const faults = [...stateFaults(stop, first, later), ...later.flatMap((answer) => contentFaults(stop, misses, answer))]
  return {
    stop,
    states: [...new Set([first.state, last.state])],
    firstMs: first.ms,
    laterMs: median(later.map(({ ms }) => ms)),
    faults: [...new Set(faults)].map((fault) => `${stop.method ?? 'GET'} ${stop.path}: ${fault}`)
  }
}

/** Reads from the cache, writes, and reads again. */
export async function readAfterWrite ({ read, write }: Change, origin: string): Promise<{ before: Answer, after: Answer, faults: string[] }> {
  await untilHit(read, origin)
  const before = await send(read, origin)
  await send(write, origin)
  const after = await send(read, origin)

  const faults = []
  if (before.state !== 'HIT') faults.push(`expected a HIT before the write, got ${before.state}`)
  if (after.state !== 'MISS') faults.push(`expected a MISS after the write, got ${after.state}`)
  if (after.body.equals(before.body)) faults.push('expected something new after the write, got the same')
  return { before, after, faults: faults.map((fault) => `${write.method ?? 'GET'} ${write.path}: ${fault}`) }
}

/** Sends a stop and waits for the last byte. Fails unless the answer is a success. */
export async function send ({ method = 'GET', path, user, body }: Stop, origin: string): Promise<Answer> {
  const headers: Record<string, string> = {}
  if (user !== undefined) headers.authorization = `Bearer ${user}`
  if (body !== undefined) headers['content-type'] = 'application/json'

  const sentAt = performance.now()
  const response = await fetch(origin + path, { method, headers, body: body && JSON.stringify(body) })
  const bytes = Buffer.from(await response.arrayBuffer())
  const ms = performance.now() - sentAt

  if (!response.ok) throw new Error(`${method} ${path} was answered with ${response.status}: ${bytes.toString()}`)
  return {
    status: response.status,
    state: response.headers.get('x-cache') ?? 'no X-Cache',
    contentType: response.headers.get('content-type'),
    body: bytes,
    ms
  }
}

// A response is stored after it has been sent, so in Redis it may arrive a moment later. Gives the answers before the hit.
async function untilHit (stop: Stop, origin: string): Promise<Answer[]> {
  const deadline = performance.now() + STORED_WITHIN_MS
  const before: Answer[] = []
  for (;;) {
    const answer = await send(stop, origin)
    if (answer.state === 'HIT' || performance.now() >= deadline) return before
    before.push(answer)
    await delay(5)
  }
}

function stateFaults (stop: Stop, first: Answer, later: Answer[]): string[] {
  const [expectedFirst, expectedLater] = stop.expect === 'MISS then HIT' ? ['MISS', 'HIT'] : ['BYPASS', 'BYPASS']
  return [
    ...(first.state === expectedFirst ? [] : [`expected ${expectedFirst} at first, got ${first.state}`]),
    ...later.filter(({ state }) => state !== expectedLater).map(({ state }) => `expected ${expectedLater} later, got ${state}`)
  ]
}

// Of several misses any may be the one that is stored.
function contentFaults (stop: Stop, misses: Answer[], later: Answer): string[] {
  if (stop.expect === 'always BYPASS') return []
  const stored = misses.find(({ body }) => later.body.equals(body))
  if (stored === undefined) return ['the bytes of a hit are those of no miss']
  const faults = []
  if (later.status !== stored.status) faults.push(`the status went from ${stored.status} to ${later.status}`)
  if (later.contentType !== stored.contentType) faults.push(`the content type went from ${stored.contentType} to ${later.contentType}`)
  return faults
}

function median (values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN
}
