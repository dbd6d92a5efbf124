import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { parse } from 'yaml'
import { DURATION, METRICS } from '../../lib/metrics/readings.ts'
import { readDashboard } from './dashboard.ts'

const root = join(import.meta.dirname, '..', '..')

interface Compose {
  services: Record<string, { profiles?: string[], build?: { context: string, dockerfile: string }, command?: string | string[], depends_on?: string[] | Record<string, unknown>, volumes?: string[], environment?: Record<string, unknown>, ports?: string[] }>
}

async function readYaml<T> (...path: string[]): Promise<T> {
  return parse(await readFile(join(root, ...path), 'utf8')) as T // its shape is what the test is about
}

test('docker-compose.yml names files and services that exist, and opens ports to this machine only', async (t) => {
  const { services } = await readYaml<Compose>('docker-compose.yml')
  t.strictSame(Object.keys(services), ['redis', 'places', 'shop', 'visitors', 'prometheus', 'grafana'])
  for (const [name, { build, command = [], depends_on: needed = [], volumes = [], ports = [] }] of Object.entries(services)) {
    const files = [build?.dockerfile ?? [], Array.isArray(command) ? command.filter((word) => word.endsWith('.ts')) : [], volumes.map((volume) => volume.split(':')[0]!)].flat()
    for (const file of files) t.ok(existsSync(join(root, file)), `${name}: ${file}`)
    for (const other of Array.isArray(needed) ? needed : Object.keys(needed)) t.ok(services[other], `${name}: ${other}`)
    for (const port of ports) t.match(port, /^127\.0\.0\.1:\d+:\d+$/, name)
  }
  const published = Object.values(services).flatMap(({ ports = [] }) => ports.map((port) => port.split(':')[1]))
  t.equal(new Set(published).size, published.length, 'no port twice')
})

test('Prometheus looks at the shop, Grafana finds Prometheus and the dashboard', async (t) => {
  const { services } = await readYaml<Compose>('docker-compose.yml')
  const scraped = await readYaml<{ global: { scrape_interval: string }, scrape_configs: Array<{ static_configs: Array<{ targets: string[] }> }> }>('examples', 'observability', 'prometheus.yml')
  t.strictSame(scraped.scrape_configs.flatMap(({ static_configs: all }) => all.flatMap(({ targets }) => targets)), [`shop:${String(services.shop?.environment?.PORT)}`])
  const { datasources: [source] } = await readYaml<{ datasources: Array<{ url: string, type: string, jsonData: { timeInterval: string } }> }>('examples', 'observability', 'grafana', 'datasources', 'prometheus.yml')
  t.match(source, { url: 'http://prometheus:9090', type: 'prometheus', jsonData: { timeInterval: scraped.global.scrape_interval } })
  const { providers: [provider] } = await readYaml<{ providers: Array<{ options: { path: string } }> }>('examples', 'observability', 'grafana', 'dashboards', 'files.yml')
  t.ok(services.grafana?.volumes?.includes(`./docs/grafana:${provider?.options.path}:ro`))
  t.ok(existsSync(join(root, 'docs', 'grafana', String(services.grafana?.environment?.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH).replace(`${provider?.options.path}/`, ''))))
})

test('the dashboard asks for metrics that there are, and for each of them', async (t) => {
  const { panels } = await readDashboard()
  const asked = new Set(panels.flatMap(({ queries }) => queries.flatMap((query) => [...query.matchAll(/response_cache_\w+/g)].map(([name]) => name))))
  const there = [...METRICS.map(({ name, type }) => `${name.replaceAll('.', '_')}${type === 'counter' ? '_total' : ''}`), `${DURATION.name}_bucket`].map((name) => `response_cache_${name}`)
  t.strictSame([...asked].toSorted(), there.toSorted())
})

test('each panel has a place, a title, a description and an id of its own', async (t) => {
  const { panels } = await readDashboard()
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
  for (const { title, description, gridPos: { x, w } } of panels) {
    t.ok(title !== '' && description !== '', title)
    t.ok(x + w <= 24, title)
  }
  const isSame = (a: typeof panels[number]['gridPos'], b: typeof panels[number]['gridPos']): boolean => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h
  t.strictSame(panels.flatMap((one, at) => panels.slice(at + 1).filter((other) => isSame(one.gridPos, other.gridPos)).map((other) => [one.title, other.title])), [], 'none lies on another')
})
