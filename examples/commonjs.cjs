// The package from CommonJS (Node 20.19 or newer):  npm run build && node examples/commonjs.cjs
// curl -i http://127.0.0.1:3000/time
const Fastify = require('fastify')
const { responseCache } = require('fastify-response-cache')

async function main () {
  const app = Fastify()
  await app.register(responseCache)

  app.get('/time', { config: { cache: '10s' } }, async () => ({ at: new Date() }))

  const address = await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT ?? 3000) })
  console.log(`curl -i ${address}/time`)
}

main()
