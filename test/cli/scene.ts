import { PassThrough } from 'node:stream'
import type { AddressInfo } from 'node:net'
import { createError } from '@fastify/error'
import Fastify, { type FastifyInstance } from 'fastify'
import responseCache, { type ResponseCacheOptions } from 'fastify-response-cache'
import type { Test } from 'tap'
import cacheAdmin from '../../lib/admin/index.ts'
import type { Io } from '../../lib/cli/io.ts'
import { run } from '../../lib/cli/run.ts'

/** What the guard of the admin routes asks for. */
export const AUTHORIZATION = 'Bearer hunter2-of-the-operator'
export const PATIENT = { read: '5s', write: '5s', invalidate: '5s' } as const

const SignedOutError = createError('SIGNED_OUT', 'Who are you?', 401)

/** An app with cached routes, and its admin routes at /admin/cache. It listens. */
export async function startApp (t: Pick<Test, 'teardown'>, cache: ResponseCacheOptions = {}): Promise<{ app: FastifyInstance, origin: string }> {
  const app = Fastify()
  t.teardown(async () => { await app.close() })
  await app.register(responseCache, { defaults: { ttl: '5m' }, timeouts: PATIENT, ...cache })
  app.get<{ Params: { id: string } }>('/users/:id', { config: { cache: { namespace: 'user', tags: ({ params }) => [`user:${params['id']}`, 'users'] } } }, async ({ params: { id } }) => ({ id }))
  app.get('/me', { config: { cache: { namespace: 'user', varyByUser: ({ headers }) => String(headers['x-user']) } } }, async ({ headers }) => ({ secret: `of ${headers['x-user']}` }))
  app.get('/places', { config: { cache: { namespace: 'place', ttl: '1h' } } }, async () => ({ places: ['Lisbon', 'Porto'] }))
  app.get('/session', { config: { cache: { namespace: 'session' } } }, async (_request, reply) => {
    reply.header('set-cookie', 'a=b')
    return {}
  })
  app.get('/plain', async () => ({}))
  const guard = async ({ headers }: { headers: Record<string, unknown> }): Promise<void> => {
    if (headers['authorization'] !== AUTHORIZATION) throw new SignedOutError()
  }
  await app.register(cacheAdmin, { prefix: '/admin/cache', onRequest: guard })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return { app, origin: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}` }
}

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  /** Of `--json`. */
  json (): any // eslint-disable-line @typescript-eslint/no-explicit-any -- what it is, the test says
}

export interface RunOptions {
  readonly env?: Io['env']
  /** What somebody types at a terminal, or the terminal. */
  readonly typed?: string | PassThrough
  readonly isTerminal?: boolean
  readonly signal?: AbortSignal
  readonly onOutput?: (stdout: string) => void
  readonly onNote?: (stderr: string) => void
}

/** Runs the command line in this process. */
export async function cli (args: readonly string[], { env = {}, typed, isTerminal = false, signal = new AbortController().signal, onOutput = () => {}, onNote = () => {} }: RunOptions = {}): Promise<Ran> {
  const written = { stdout: '', stderr: '' }
  const stream = (name: keyof typeof written, heard: (text: string) => void) => ({
    isTTY: isTerminal,
    columns: 100,
    write (text: string) {
      written[name] += text
      heard(written[name])
    }
  })
  const stdin = Object.assign(typed instanceof PassThrough ? typed : new PassThrough(), { isTTY: typed !== undefined })
  if (typeof typed === 'string') stdin.write(typed)
  const code = await run(args, {
    stdout: stream('stdout', onOutput),
    stderr: stream('stderr', onNote),
    stdin,
    env,
    signal
  })
  return { code, ...written, json: () => JSON.parse(written.stdout) }
}

/** What the command line is told to reach the admin routes. */
export function adminArgs (origin: string): string[] {
  return ['--admin', `${origin}/admin/cache`, '--admin-header', `authorization: ${AUTHORIZATION}`, '--timeout', '10s']
}

/** A known load: 3 users asked 4 times each, places 5 times, one personal response, one that is not stored, and one bypass. */
export async function load (origin: string): Promise<void> {
  const get = async (path: string, headers: Record<string, string> = {}): Promise<void> => { await (await fetch(`${origin}${path}`, { headers })).arrayBuffer() }
  for (let round = 0; round < 4; round++) for (const id of [1, 2, 3]) await get(`/users/${id}`)
  for (let round = 0; round < 5; round++) await get('/places')
  await get('/me', { 'x-user': 'ann' })
  await get('/session')
  await get('/places', { authorization: 'Bearer x' })
}
