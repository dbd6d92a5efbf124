import { setImmediate as nextTurn } from 'node:timers/promises'
import underPressure, { type FastifyUnderPressureOptions } from '@fastify/under-pressure'
import type { Test } from 'tap'
import type { Service } from '../plugin/serve.ts'
import { cached, counter, inBothOrders, type Setting } from './orders.ts'

/** An app whose pressure is what the last POST said: /high or /low. */
function setting (options: FastifyUnderPressureOptions = {}): () => Setting {
  return () => {
    let isHealthy = true
    return {
      plugin: (app) => app.register(underPressure, { healthCheck: async () => isHealthy, healthCheckInterval: 1, retryAfter: 7, exposeStatusRoute: '/health', ...options }),
      routes: (app) => {
        app.get('/', cached({ statusCodes: [200, 503], staleIfError: '1h' }), counter())
        app.get('/open', { config: { ...cached().config, pressureHandler: () => {} } }, counter())
        app.decorate('setPressure', async (high: boolean) => {
          isHealthy = !high
          while (app.isUnderPressure() !== high) await nextTurn()
        })
      }
    }
  }
}

async function setPressure ({ app }: Service, high: boolean): Promise<void> {
  await (app as unknown as { setPressure (high: boolean): Promise<void> }).setPressure(high)
}

async function expect (t: Test, { get }: Service, path: string, expected: [status: number, outcome: string | undefined]): Promise<void> {
  const response = await get(path)
  t.strictSame([response.status, response.field('x-cache')], expected, path)
}

inBothOrders('@fastify/under-pressure: its 503 is neither stored nor replaced by a hit', setting(), async (t, service) => {
  await setPressure(service, true)
  const refused = await service.get('/')
  t.strictSame([refused.status, refused.field('retry-after'), refused.field('x-cache')], [503, '7', undefined])
  await setPressure(service, false)
  await expect(t, service, '/', [200, 'MISS'])
  await expect(t, service, '/', [200, 'HIT'])
  await setPressure(service, true)
  await expect(t, service, '/', [503, undefined])
  await setPressure(service, false)
  await expect(t, service, '/', [200, 'HIT'])
})

inBothOrders('@fastify/under-pressure: with a pressureHandler that lets requests pass, hits are served under pressure', setting(), async (t, service) => {
  await expect(t, service, '/open', [200, 'MISS'])
  await setPressure(service, true)
  await expect(t, service, '/open', [200, 'HIT'])
  await expect(t, service, '/', [503, undefined])
})

inBothOrders('@fastify/under-pressure: what a pressureHandler answers is not stored', setting({ pressureHandler: async (request, reply) => { await reply.code(200).send('busy') } }), async (t, service) => {
  await setPressure(service, true)
  const busy = await service.get('/')
  t.strictSame([busy.status, busy.text, busy.field('x-cache')], [200, 'busy', undefined])
  await setPressure(service, false)
  await expect(t, service, '/', [200, 'MISS'])
})

inBothOrders('@fastify/under-pressure: the status route is never cached', setting(), async (t, service) => {
  await expect(t, service, '/health', [200, undefined])
  await setPressure(service, true)
  await expect(t, service, '/health', [503, undefined])
  await setPressure(service, false)
  await expect(t, service, '/health', [200, undefined])
})
