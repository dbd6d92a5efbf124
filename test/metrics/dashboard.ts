import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface Panel {
  id: number
  title: string
  description: string
  gridPos: { x: number, y: number, w: number, h: number }
  queries: string[]
}

interface Written extends Omit<Panel, 'queries'> {
  type: string
  targets?: Array<{ expr: string }>
}

export interface Dashboard {
  /** Without the titles between them. */
  panels: Panel[]
  /** Queries of `label_values`, by the name of the variable. */
  variables: Record<string, string>
}

/** The dashboard of docs/grafana. */
export async function readDashboard (): Promise<Dashboard> {
  const text = await readFile(join(import.meta.dirname, '..', '..', 'docs', 'grafana', 'fastify-response-cache.json'), 'utf8')
  const { panels, templating } = JSON.parse(text) as { panels: Written[], templating: { list: Array<{ name: string, type: string, definition?: string }> } }
  return {
    panels: panels.filter(({ type }) => type !== 'row').map(({ targets = [], ...panel }) => ({ ...panel, queries: targets.map(({ expr }) => expr) })),
    variables: Object.fromEntries(templating.list.filter(({ type }) => type === 'query').map(({ name, definition = '' }) => [name, definition]))
  }
}

/** What Grafana sends for a query. */
export function filledIn (query: string, { values = {}, range }: { values?: Readonly<Record<string, string>>, range: string }): string {
  return query
    .replaceAll('$__rate_interval', range)
    .replaceAll('$__range', range)
    .replaceAll(/\$(instance|namespace|route)\b/g, (_, name: string) => values[name] ?? '.*')
}
