import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { test, type Test } from 'tap'
import { serve, type Service } from './serve.ts'

const config = { cache: true }

/** What Fastify takes as a strategy for constraints. */
type Strategy = Parameters<FastifyInstance['addConstraintStrategy']>[0]

/** Selects a route by the header field `x-region`; `nameOf` reads the name out of what routes give as constraint. */
function regionStrategy (nameOf: (constraint: unknown) => string): Strategy {
  const storage = (): object => {
    const handlers = new Map<string, unknown>()
    return {
      get: (region: string) => handlers.get(region) ?? null,
      set: (constraint: unknown, handler: unknown) => { handlers.set(nameOf(constraint), handler) }
    }
  }
  const deriveConstraint = (request: IncomingMessage): unknown => request.headers['x-region']
  return { name: 'region', storage, deriveConstraint, validate: () => true } as unknown as Strategy
}

async function servesEachRegion (t: Test, service: Service): Promise<void> {
  for (const time of [1, 2]) {
    for (const region of ['eu', 'us']) {
      const response = await service.get('/', { headers: { 'x-region': region } })
      t.equal(response.text, `for ${region}`)
      t.equal(response.field('x-cache'), time === 1 ? 'MISS' : 'HIT')
    }
  }
}

class Region {
  readonly name: string

  constructor (name: string) {
    this.name = name
  }
}

const constraints: Record<string, { nameOf: (constraint: unknown) => string, make: (region: string) => unknown }> = {
  'is a text': { nameOf: String, make: (region) => region },
  'is a regular expression': { nameOf: (constraint) => (constraint as RegExp).source, make: (region) => new RegExp(region) },
  'is an object': { nameOf: (constraint) => (constraint as { name: string }).name, make: (name) => ({ name }) },
  'is a list': { nameOf: (constraint) => (constraint as string[]).join('-'), make: (region) => [region] },
  'is a function': { nameOf: (constraint) => (constraint as () => string)(), make: (region) => () => region },
  'is a symbol': { nameOf: (constraint) => (constraint as symbol).description ?? '', make: (region) => Symbol(region) },
  'is an instance of a class': { nameOf: (constraint) => (constraint as Region).name, make: (region) => new Region(region) }
}

for (const [title, { nameOf, make }] of Object.entries(constraints)) {
  test(`routes never share a response when what tells them apart ${title}`, async (t) => {
    const service = await serve(t, (app) => {
      app.addConstraintStrategy(regionStrategy(nameOf))
      for (const region of ['eu', 'us']) {
        app.get('/', { config, constraints: { region: make(region) } as never }, async () => `for ${region}`)
      }
    })
    await servesEachRegion(t, service)
  })
}

test('routes with two constraints share nothing when one of them differs', async (t) => {
  const service = await serve(t, (app) => {
    app.addConstraintStrategy(regionStrategy(String))
    app.get('/', { config, constraints: { region: 'eu', version: '1.0.0' } }, async () => 'eu 1')
    app.get('/', { config, constraints: { region: 'us', version: '1.0.0' } }, async () => 'us 1')
    app.get('/', { config, constraints: { region: 'eu', version: '2.0.0' } }, async () => 'eu 2')
  })
  for (let time = 0; time < 2; time++) {
    for (const [region, version, text] of [['eu', '1.0.0', 'eu 1'], ['us', '1.0.0', 'us 1'], ['eu', '2.0.0', 'eu 2']] as const) {
      t.equal((await service.get('/', { headers: { 'x-region': region, 'accept-version': version } })).text, text)
    }
  }
})
