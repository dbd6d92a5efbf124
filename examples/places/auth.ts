import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

export interface User {
  id: string
  role: 'member' | 'admin'
}

// Stands for a real login such as @fastify/jwt: the token is the name.
const USERS = new Map<string, User>([
  ['ada', { id: 'ada', role: 'member' }],
  ['grace', { id: 'grace', role: 'member' }],
  ['root', { id: 'root', role: 'admin' }]
])

/** Makes `request.user` known; `requireUser` sets it. */
export const auth = fp(async (app: FastifyInstance) => {
  app.decorateRequest('user', null)
}, { name: 'auth', dependencies: ['@fastify/sensible'] })

/** A guard for `onRequest`: only a known bearer token gets past it. */
export async function requireUser (request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const token = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1]
  const user = USERS.get(token ?? '')
  if (user === undefined) {
    reply.header('www-authenticate', 'Bearer')
    throw request.server.httpErrors.unauthorized('Expected "Authorization: Bearer" with ada, grace or root.')
  }
  request.setDecorator('user', user)
}

/** The user of a request that has passed `requireUser`. */
export function userOf (request: FastifyRequest): User {
  return request.getDecorator<User>('user')
}
