import { join } from 'node:path'
import { test } from 'tap'
import { typeProblems } from '../helpers/type-problems.ts'

// A program of its own: what it says of FastifyRequest would hold for every file compiled with it.
const program = `
import Fastify, { type FastifyRequest } from 'fastify'
import 'fastify-response-cache'

declare module 'fastify' {
  interface FastifyRequest { user: { name: string } }
}

type Search = FastifyRequest<{ Querystring: { fresh?: boolean } }>
type User = FastifyRequest<{ Params: { id: string } }>

const app = Fastify()
const handler = async () => 1
app.get('/', { config: { cache: { ttl: '1h', varyByUser: (request) => request.user.name } } }, handler)
app.get('/', { config: { cache: { ttl: '1h', skip: (request: Search) => request.query.fresh === true } } }, handler)
app.get('/', { config: { cache: { ttl: '1h', key: (request: User) => request.params.id } } }, handler)
`

test('an app that gives request.user a type keeps it, and may annotate requests', (t) => {
  const folder = t.testdir({ 'program.ts': program })
  t.strictSame(typeProblems([join(folder, 'program.ts')]), [])
  t.end()
})
