'use strict'

const Fastify = require('fastify')
const { default: responseCache } = require('fastify-response-cache')

async function main () {
  const app = Fastify()
  await app.register(responseCache)
  app.get('/', { config: { cache: '1m' } }, async () => ({ hello: 'world' }))
  for (const expected of ['MISS', 'HIT']) {
    const response = await app.inject('/')
    if (response.headers['x-cache'] !== expected || response.body !== '{"hello":"world"}') {
      throw new Error(`expected ${expected}, got ${response.headers['x-cache']}: ${response.body}`)
    }
  }
  await app.close()
  console.log('{}')
}

main()
