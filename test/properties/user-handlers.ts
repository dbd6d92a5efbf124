import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Readable } from 'node:stream'
import { setTimeout as sleep, setImmediate as nextTurn } from 'node:timers/promises'
import { setUser } from '../safety/helpers.ts'
import type { Dice } from './dice.ts'
import { idOf, saidBy, type Plan } from './user-plans.ts'

/** What a route does while the test goes on. */
export interface Life {
  readonly dice: Dice
  /** Handlers that have begun and not ended. */
  running: number
}

/** Puts the route and its guard into a scope of its own. */
export async function declare (app: FastifyInstance, plan: Plan, life: Life): Promise<void> {
  await app.register(async (scope) => {
    const authenticate = async (request: FastifyRequest): Promise<void> => {
      if (life.dice.chance(0.3)) await nextTurn()
      identify(request, plan, life.dice)
    }
    if (plan.guard === 'onRequest' || plan.guard === 'refusing') scope.addHook('onRequest', authenticate)
    if (plan.guard === 'preHandler') scope.addHook('preHandler', authenticate)
    if (plan.guard === 'refusing') scope.addHook('preHandler', async (request, reply) => { await refuse(request, reply, life.dice) })
    scope.route({
      method: plan.method,
      url: plan.url,
      config: { cache: plan.options },
      ...plan.guard === 'route preHandler' ? { preHandler: authenticate } : {},
      handler: async (request, reply) => {
        life.running++
        try {
          return await answer(request, reply, { plan, life })
        } finally {
          life.running--
        }
      }
    })
  })
}

function identify (request: FastifyRequest, { carrier }: Plan, dice: Dice): void {
  const name = saidBy(request, carrier)
  if (name === undefined) return
  setUser(request, dice.pick<unknown>([name, { id: name }, { sub: name, iss: 'https://a.example' }, { sub: name, roles: ['user'] }, { name }]))
}

async function refuse (request: FastifyRequest, reply: FastifyReply, dice: Dice): Promise<FastifyReply | undefined> {
  const name = idOf((request as { user?: unknown }).user)
  if (name === undefined || !dice.chance(0.3)) return undefined
  if (dice.chance(0.3)) throw new Error(`${name} may not`)
  return await reply.code(403).header('x-who', name).send(`${name} may not`)
}

interface Given {
  readonly plan: Plan
  readonly life: Life
}

async function answer (request: FastifyRequest, reply: FastifyReply, { plan, life }: Given): Promise<unknown> {
  const { dice } = life
  for (let turns = dice.below(6); turns > 0; turns--) await nextTurn()
  if (plan.isSlow) await sleep(dice.below(10))
  if (plan.guard === 'late') identify(request, plan, dice)
  const isInStream = plan.guard === 'late in the stream'
  const name = isInStream ? undefined : whoAsks(request, plan)
  // What is shared is for all, and an answer that is not says so.
  const shown = plan.cover.startsWith('shared') && dice.chance(0.6) ? undefined : name
  if (plan.options.ttl === 'http' && dice.chance(0.8)) reply.header('cache-control', dice.pick(['max-age=10', 'max-age=5, stale-while-revalidate=10', 'max-age=3, stale-if-error=30']))
  if (plan.cover === 'Vary') reply.header('vary', dice.pick([plan.carrier, `Accept-Encoding, ${plan.carrier.toUpperCase()}`]))
  if (plan.cover === 'shared' && shown !== undefined) forbid(reply, dice)
  else if (plan.cover === 'shared by the response') setSharing(reply, shown, dice)
  else if (dice.chance(0.15)) setOddFields(reply, dice)
  if (shown !== undefined) setNamedFields(reply, shown, dice)
  const url = plan.hasOwnKey ? '' : request.url
  const seen = plan.hasOwnKey ? {} : request.query
  if (dice.chance(0.1)) throw Object.assign(new Error(`no answer for ${shown ?? 'nobody'}`), { statusCode: dice.pick([500, 503, 404, 403]) })
  const parts = [`for ${shown ?? 'nobody'} `, `at ${url} `, JSON.stringify(seen), '.'.repeat(dice.chance(0.1) ? 2000 : dice.below(60))]
  return isInStream ? Readable.from(lateStream(request, { plan, life }, parts)) : payload(reply, parts, dice)
}

function whoAsks (request: FastifyRequest, plan: Plan): string | undefined {
  return plan.guard === 'none' ? saidBy(request, plan.carrier) : idOf((request as { user?: unknown }).user)
}

/** Who asks is found out while the answer is on its way. */
async function * lateStream (request: FastifyRequest, { plan, life }: Given, parts: readonly string[]): AsyncGenerator<string> {
  for (const part of parts) {
    if (life.dice.chance(0.3)) await nextTurn()
    yield part
  }
  identify(request, plan, life.dice)
  // A route that is the same for all has no answer of this kind: its header would have to say that it is not.
  if (!plan.cover.startsWith('shared')) yield ` for ${whoAsks(request, plan) ?? 'nobody'}`
}

function payload (reply: FastifyReply, parts: readonly string[], dice: Dice): unknown {
  const text = parts.join('')
  switch (dice.below(7)) {
    case 0: return { text }
    case 1: return Buffer.from(text)
    case 2: return Readable.from(parts)
    case 3: return new Blob([...parts]).stream()
    case 4: return new Response(text, { headers: { 'x-own': 'yes' } })
    case 5: return reply.type('text/html').send(text)
    default: return text
  }
}

function setNamedFields (reply: FastifyReply, name: string, dice: Dice): void {
  reply.header('x-who', name)
  if (dice.chance(0.2)) reply.header('etag', `"of-${name}"`)
  if (dice.chance(0.1)) reply.header('content-location', `/of/${name}`)
  if (dice.chance(0.1)) reply.header('link', `</of/${name}>; rel=me`)
}

/** Any of the ways in which an answer says that it is for one client alone. */
function forbid (reply: FastifyReply, dice: Dice): void {
  switch (dice.below(8)) {
    case 0: reply.header('cache-control', 'private'); break
    case 1: reply.header('cache-control', ['public, max-age=60', 'no-store']); break
    case 2: reply.header('cache-control', 'no-cache="x-who"'); break
    case 3: reply.header('cache-control', 'max-age=60, private='); break
    case 4: reply.header('vary', 'Accept, *'); break
    case 5: reply.header('set-cookie', 'seen=1'); break
    case 6: reply.header('x-csrf-token', 'token'); break
    default: reply.header('content-security-policy', "script-src 'nonce-abc'")
  }
}

/** RFC 9111 section 3.5: to share an answer to a request with credentials, the answer has to say so. One with a name does not. */
function setSharing (reply: FastifyReply, shown: string | undefined, dice: Dice): void {
  const said = shown === undefined ? ['public, max-age=10', 's-maxage=10', 'max-age=10, must-revalidate'] : ['max-age=10', 'max-age=10, stale-if-error=60', 'private']
  if (dice.chance(0.9)) reply.header('cache-control', dice.pick(said))
}

function setOddFields (reply: FastifyReply, dice: Dice): void {
  switch (dice.below(6)) {
    case 0: reply.header('cache-control', dice.pick(['public, max-age=5', 's-maxage=5', 'max-age=0, must-revalidate', 'stale-while-revalidate=20, stale-if-error=20', 'public, s-maxage=20, stale-if-error=60'])); break
    case 1: reply.header('expires', 'Thu, 01 Jan 2099 00:00:00 GMT'); break
    case 2: reply.header('last-modified', 'Thu, 01 Jan 2015 00:00:00 GMT'); break
    case 3: reply.header('set-cookie', 'seen=1'); break
    case 4: reply.cacheTags('all'); break
    default: forbid(reply, dice)
  }
}
