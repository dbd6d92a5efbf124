import fc from 'fast-check'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { test } from 'tap'
import { open } from '../safety/helpers.ts'
import { stores } from '../plugin/stores.ts'
import { answerWith, bodyOf, MAX_BYTES, response, STATUSES, type Made } from './responses.ts'
import { runs } from './runs.ts'

/*
 * A hit equals the miss that it came from, byte for byte: status line, header fields with all their lines, body. Over real sockets, from all
 * places where responses are kept.
 */

const places = { ...stores, 'memory in front of Redis': async (t: Parameters<typeof open>[0]) => ({ ...await stores.Redis!(t), memory: {} }) }
const config = { cache: { ttl: '1h', statusCodes: [...new Set(STATUSES)], maxBytes: MAX_BYTES } }

/** Chance may leave it out. */
const TOO_LARGE: Made = { status: 200, fields: [], form: 'bytes', text: '', bytes: new Uint8Array(MAX_BYTES + 1), value: {}, cuts: [], isLengthGiven: false }

for (const [place, optionsOf] of Object.entries(places)) {
  test(`a hit equals the miss that it came from, byte for byte [${place}]`, async (t) => {
    const responses: Made[] = []
    let handled = 0
    const { app, port } = await open(t, (app) => {
      app.get('/:at', { config }, async (request, reply) => {
        handled++
        return await answerWith(responses[Number((request.params as { at: string }).at)]!, reply)
      })
    }, { cache: await optionsOf(t) })
    const agent = new Agent({ keepAlive: true })
    t.teardown(() => { agent.destroy() })
    const ask = async (method: string, path: string): Promise<Received> => {
      const received = await send(agent, { method, port, path })
      await app.cache.ping() // comes back after what was written before it
      return received
    }
    const counts = { hits: 0, streams: 0, large: 0 }

    await fc.assert(fc.asyncProperty(response, async (made) => {
      const path = `/${responses.push(made) - 1}`
      const [body, before] = [bodyOf(made), handled]
      const miss = await ask('GET', path)
      same(miss.cache, 'MISS', 'the first')
      same(miss.status, made.status, 'the status that the handler gave')
      same(miss.body, body.toString('base64'), 'the body that the handler gave')
      const isStored = body.length <= MAX_BYTES
      counts[isStored ? 'hits' : 'large']++
      if (/stream/.test(made.form)) counts.streams++
      for (const which of ['second', 'third', 'fourth']) {
        const again = await ask('GET', path)
        same(again.cache, isStored ? 'HIT' : 'MISS', `the ${which}`)
        same(repeated(again, made), repeated(miss, made), `the ${which}`)
      }
      const head = await ask('HEAD', path)
      same(head.cache, isStored ? 'HIT' : 'MISS', 'HEAD')
      same(head.body, '', 'the body of HEAD')
      // To a HEAD Fastify itself tells type and length of a 204, which has neither.
      if (isStored && made.status !== 204) same({ ...repeated(head, made), body: '' }, { ...repeated(miss, made), body: '' }, 'HEAD')
      same(handled - before, isStored ? 1 : 5, 'runs of the handler')
    }), { ...runs(place === 'memory' ? 120 : 40), examples: [[TOO_LARGE]] })

    t.comment(JSON.stringify(counts))
    t.ok(counts.hits > counts.large && counts.large > 0 && counts.streams > counts.hits / 5)
  })
}

interface Received {
  readonly cache: string | undefined
  readonly status: number
  readonly statusMessage: string
  /** In the order of their names; lines of one field in their own. */
  readonly lines: ReadonlyArray<readonly [name: string, value: string]>
  readonly length: string | undefined
  readonly body: string
}

/** What tells of the exchange or of its framing. */
const OF_EXCHANGE = new Set(['date', 'age', 'x-cache', 'cache-status', 'connection', 'keep-alive', 'transfer-encoding', 'content-length'])

async function send (agent: Agent, { method, port, path }: { method: string, port: number, path: string }): Promise<Received> {
  const incoming = await new Promise<IncomingMessage>((resolve, reject) => {
    httpRequest({ agent, method, port, path, host: '127.0.0.1' }, resolve).on('error', reject).end()
  })
  const { rawHeaders, headers } = incoming
  const lines: Array<readonly [string, string]> = []
  for (let at = 0; at < rawHeaders.length; at += 2) lines.push([rawHeaders[at]!.toLowerCase(), rawHeaders[at + 1]!])
  const body = await buffer(incoming)
  return {
    cache: headers['x-cache'] as string | undefined,
    status: incoming.statusCode ?? 0,
    statusMessage: incoming.statusMessage ?? '',
    lines: lines.filter(([name]) => !OF_EXCHANGE.has(name)).sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0),
    // A response whose length was not known has a known one once it is stored.
    length: headers['content-length'] ?? (headers['transfer-encoding'] === 'chunked' ? String(body.length) : undefined),
    body: body.toString('base64')
  }
}

/** The cache makes an ETag where the handler has made none. */
function repeated ({ cache, lines, ...rest }: Received, { fields }: Made): object {
  const hasOwn = fields.some(([name]) => name === 'etag')
  return { ...rest, lines: lines.filter(([name]) => name !== 'etag' || hasOwn) }
}

function same (found: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)]
  if (a !== b) throw new Error(`${what}: found ${a}, expected ${b}`)
}
