import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { visitShop } from '../../examples/observability/traffic.ts'
import { findOnPath } from '../helpers/find-on-path.ts'
import { useRedis } from '../helpers/redis.ts'
import { runProgram } from '../helpers/run-program.ts'
import { filledIn, readDashboard } from './dashboard.ts'
import { until } from '../helpers/until.ts'
import { startPrometheus, type PrometheusServer } from './prometheus-server.ts'
import { runWithInput } from './run-with-input.ts'

t.setTimeout(60_000)

const [binary, promtool] = [findOnPath(['prometheus']), findOnPath(['promtool'])]
const skip = (binary === undefined || promtool === undefined) && 'no prometheus and promtool here: on Debian they come with the package prometheus'
const root = join(import.meta.dirname, '..', '..')
const range = '5s'

t.test('a real Prometheus has an answer to each query of the dashboard, while visitors are in the shop', { skip }, async (t) => {
  const redis = await useRedis(t)
  const { panels, variables } = await readDashboard()
  const leaving = new AbortController()
  const { problem } = await runProgram(join(root, 'examples', 'observability', 'server.ts'), {
    env: { REDIS_URL: redis.url, CACHE_PREFIX: redis.prefix },
    visit: async (origin) => {
      const visitors = visitShop(origin, { signal: leaving.signal, pauseMs: 20 })
      try {
        const { code, output } = await runWithInput([promtool!, 'check', 'metrics'], await (await fetch(new URL('/metrics', origin))).text())
        t.equal(code, 0, output)
        const prometheus = await startPrometheus(t, { binary: binary!, target: new URL(origin).host })
        await variablesHaveValues(prometheus, variables)
        for (const { title, queries } of panels) for (const query of queries) await hasAnswer(prometheus, filledIn(query, { range })).then((answer) => { t.ok(answer, `${title}: ${answer}`) })
        const one = { values: { route: 'GET /products/:id', namespace: 'product' }, range }
        const routes = await prometheus.query(filledIn('sum by (route) (response_cache_requests_total{instance=~"$instance", namespace=~"$namespace", route=~"$route"})', one))
        t.strictSame(routes.map(({ metric }) => metric.route), [one.values.route], 'a variable selects')
      } finally {
        leaving.abort()
        await visitors
      }
    }
  })
  t.equal(problem, undefined)
})

t.test('promtool takes the file for Prometheus', { skip }, async (t) => {
  const file = join(root, 'examples', 'observability', 'prometheus.yml')
  const { code, output } = await runWithInput([promtool!, 'check', 'config', file], await readFile(file, 'utf8'))
  t.equal(code, 0, output)
})

async function variablesHaveValues (prometheus: PrometheusServer, variables: Readonly<Record<string, string>>): Promise<void> {
  for (const definition of Object.values(variables)) {
    const { match, label } = /^label_values\((?<match>.*), (?<label>\w+)\)$/.exec(filledIn(definition, { range }))!.groups!
    await until(async () => (await prometheus.labelValues(label!, match!)).length > 0)
  }
}

/** A number of what it answers, as soon as it does: rates need two readings. What cannot be read is an error. */
async function hasAnswer (prometheus: PrometheusServer, query: string): Promise<string> {
  let answer = ''
  await until(async () => {
    const [first] = (await prometheus.query(query)).filter(({ value: [, text] }) => Number.isFinite(Number(text)))
    answer = first?.value[1] ?? ''
    return first !== undefined
  })
  return answer
}
