// npx tsx bench/herd/run.ts [cold|killed|uncacheable|expiry|outage …] [--seconds 60] [--rounds 5] [--library dist/index.js]: what many processes do at once.
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { startServer } from '../../test/helpers/redis-server.ts'
import { coldFigure } from './cold.ts'
import { expiryFigure } from './expiry.ts'
import { builtLibrary, printFigure, type Figure, type Ground } from './figure.ts'
import { killedFigure } from './killed.ts'
import { describeGround } from './machine.ts'
import { outageFigure } from './outage.ts'
import { uncacheableFigure } from './uncacheable.ts'

type Length = { seconds?: number, rounds?: number }

const figures: Record<string, (ground: Ground, length: Length) => Promise<Figure>> = {
  cold: coldFigure,
  killed: killedFigure,
  uncacheable: uncacheableFigure,
  expiry: expiryFigure,
  outage: outageFigure
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { seconds: { type: 'string' }, rounds: { type: 'string' }, library: { type: 'string' } } })
const unknown = positionals.filter((name) => !Object.hasOwn(figures, name))
if (unknown.length > 0) throw new Error(`expected ${Object.keys(figures).join(', ')}; got ${unknown.join(', ')}`)
const length = { ...numberOf('seconds'), ...numberOf('rounds') }

// Leaving by way of 'exit', at which what was built is removed. All other processes end with this one.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

const library = values.library === undefined ? await builtLibrary() : pathToFileURL(values.library).href
const redis = await startServer({})
try {
  const ground = { redisUrl: redis.url, library }
  for (const [label, value] of await describeGround(ground)) console.log(`${label.padEnd(9)} ${value}`)
  for (const name of positionals.length === 0 ? Object.keys(figures) : positionals) {
    const figure = await figures[name]!(ground, length)
    printFigure(figure)
    if (figure.broken.length > 0) process.exitCode = 1
  }
} finally {
  await redis.dispose()
}

function numberOf (name: 'seconds' | 'rounds'): Length {
  const given = values[name]
  if (given === undefined) return {}
  if (!(Number(given) > 0)) throw new Error(`--${name}: expected a number above 0, got ${given}`)
  return { [name]: Number(given) }
}
