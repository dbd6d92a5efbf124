// npm run conformance [-- --id freshness-max-age] [-- --no-cache] [-- --json file] [-- --floor 158,85]
// The public tests for HTTP caches against examples/reverse-proxy.ts. docs/conformance.md says what the figures mean.
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import type { FastifyInstance } from 'fastify'
import type { ResponseCacheOptions } from 'fastify-response-cache'
import { reverseProxy } from '../../examples/reverse-proxy.ts'
import { judge, kinds, parseFloor, score, withDependencies, type CacheTest, type Found, type Judged } from './count.ts'
import { obtainSuite, readTests, runTests, startOrigin, suiteName } from './suite.ts'

const { values: options } = parseArgs({
  options: {
    id: { type: 'string' },
    'no-cache': { type: 'boolean', default: false },
    json: { type: 'string' },
    floor: { type: 'string' }
  }
})
const floor = options.floor === undefined ? {} : parseFloor(options.floor)

/** What the suite asks of a cache beyond the standards' defaults; docs/conformance.md names it. */
const configuration: ResponseCacheOptions = {
  enabled: !options['no-cache'],
  defaults: { ttl: { http: true, heuristic: '1d' } },
  targetedFields: ['Surrogate-Control']
}

const suite = obtainSuite()
const tests = await readTests(suite)
if (options.id !== undefined && !tests.some(({ id }) => id === options.id)) throw new Error(`--id: there is no test ${options.id}`)

const judged = await measure(options.id === undefined ? tests : withDependencies(tests, options.id))
if (options.id === undefined) report(judged)
else explain(judged, options.id)
if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify({ suite: suiteName, scores: scores(judged), tests: judged }, null, 2)}\n`)

async function measure (chosen: readonly CacheTest[]): Promise<Judged[]> {
  const origin = await startOrigin(suite, (line) => { if (options.id !== undefined) console.log(line) })
  try {
    const proxy = await reverseProxy({ origin: origin.url, cache: configuration })
    // Edge Architecture 1.0: an origin that sends Surrogate-Control is told that somebody reads it.
    proxy.addHook('onRequest', async ({ raw }) => { raw.headers['surrogate-capability'] = 'frc="Surrogate/1.0"' })
    const found = await runThrough(proxy, new Set(chosen.map(({ id }) => id))).finally(() => proxy.close())
    return judge(chosen, found)
  } finally {
    await origin.stop()
  }
}

async function runThrough (proxy: FastifyInstance, ids: ReadonlySet<string>): Promise<Map<string, Found>> {
  const url = await proxy.listen({ host: '127.0.0.1', port: 0 })
  return runTests(suite, url, { ids, dump: options.id })
}

function report (judged: readonly Judged[]): void {
  for (const kind of kinds) {
    const missed = judged.filter((test) => test.kind === kind && test.verdict !== 'passed')
    if (missed.length > 0) console.log(`\n${kind}, ${kind === 'check' ? '"no"' : 'not passed'}: ${missed.length}`)
    for (const { id, verdict, name, reason } of missed) console.log(`  ${verdict.padEnd(10)} ${id}\n${' '.repeat(13)}${name}\n${' '.repeat(13)}${reason}`)
  }
  console.log(`\n${suiteName}, dependencies honoured (without in brackets)`)
  for (const [kind, { passed, raw, total }] of Object.entries(scores(judged))) {
    console.log(`  ${kind.padEnd(8)} ${String(passed).padStart(3)} (${raw}) of ${total}`)
  }
  for (const kind of kinds) {
    const least = floor[kind]
    if (least === undefined || score(judged, kind).passed >= least) continue
    console.log(`${kind}: fewer than ${least}`)
    process.exitCode = 1
  }
}

function scores (judged: readonly Judged[]) {
  return Object.fromEntries(kinds.map((kind) => [kind, score(judged, kind)]))
}

function explain (judged: readonly Judged[], wanted: string): void {
  for (const { id, kind, verdict, name, reason } of judged) {
    console.log(`${id === wanted ? '' : 'needed by it: '}${id} (${kind}): ${name}\n  ${verdict}${reason === undefined ? '' : `: ${reason}`}`)
  }
}
