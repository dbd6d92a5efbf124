import { once } from 'node:events'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import { freePort } from '../helpers/free-port.ts'
import { until } from '../helpers/until.ts'
import { spawnWatched } from '../helpers/watchdog.ts'

export interface Sample {
  metric: Record<string, string>
  value: [number, string]
}

export interface PrometheusServer {
  /** The answer to a query at this moment. An error of the query is one. */
  query (query: string): Promise<Sample[]>
  labelValues (label: string, match: string): Promise<string[]>
}

/** A real Prometheus that looks at this address five times a second. It ends with `t`. */
export async function startPrometheus (t: Test, { binary, target }: { binary: string, target: string }): Promise<PrometheusServer> {
  const folder = await mkdtemp(join(tmpdir(), 'prometheus-for-tests-'))
  const port = await freePort()
  const config = join(folder, 'prometheus.yml')
  await writeFile(config, JSON.stringify({ global: { scrape_interval: '200ms', scrape_timeout: '200ms' }, scrape_configs: [{ job_name: 'shop', static_configs: [{ targets: [target] }] }] }))
  const shell = spawnWatched(folder, [binary, `--config.file=${config}`, `--storage.tsdb.path=${join(folder, 'data')}`, `--web.listen-address=127.0.0.1:${port}`, '--log.level=error'])
  const ended = once(shell, 'exit')
  t.teardown(async () => {
    shell.stdin.end()
    await ended
  })
  createInterface({ input: shell.stdout }).resume()
  const origin = `http://127.0.0.1:${port}`
  await until(async () => {
    if (shell.exitCode !== null) throw new Error(`${binary} ended`)
    return await fetch(`${origin}/-/ready`).then(({ ok }) => ok, () => false) // not there yet
  })

  async function ask<T> (path: string, parameters: Record<string, string>): Promise<T> {
    const response = await fetch(`${origin}/api/v1/${path}?${new URLSearchParams(parameters).toString()}`)
    const { status, data, error } = await response.json() as { status: string, data: T, error?: string }
    if (status !== 'success') throw new Error(`${JSON.stringify(parameters)}: ${error}`)
    return data
  }
  return {
    query: async (query) => (await ask<{ result: Sample[] }>('query', { query })).result,
    labelValues: async (label, match) => await ask<string[]>(`label/${label}/values`, { 'match[]': match })
  }
}
