import type { EntryDetails, EntrySummary } from '../../inspect/summaries.ts'
import type { Cell, Output, Row } from '../output.ts'
import type { Inspected } from '../sources/source.ts'
import { bytes, duration, moment, seconds } from '../units.ts'

/** One entry with all that is known of it. */
export function showEntry (output: Output, entry: Inspected): void {
  output.heading(entry.key)
  output.list(factsOf(entry))
  if (entry.headers !== undefined && entry.headers.length > 0) {
    output.line()
    output.table(['header field', 'value'], entry.headers.map(([name, value]) => [name, [value].flat().join(', ')]))
  }
  const { preview } = entry
  if (preview === undefined) return
  output.line()
  output.heading(`body, ${bytes(preview.bytes)} of it${preview.encoding === 'base64' ? ', as base64' : ''}`)
  for (const line of preview.text.split('\n')) output.line(line)
}

export function factsOf (entry: Omit<EntryDetails, 'body'>): Row[] {
  const rows: Array<[string, Row[number] | undefined]> = [
    ['state', stateCell(entry.state)],
    ['invalidated by', entry.invalidatedBy],
    ['kind', entry.kind],
    ['namespace', entry.namespace],
    ['status', entry.status?.toString()],
    ['stored at', moment(entry.storedAt)],
    ['age', seconds(entry.age)],
    ['fresh for', entry.freshFor === undefined ? undefined : entry.freshFor > 0 ? seconds(entry.freshFor) : `stale for ${seconds(-entry.freshFor)}`],
    ['goes in', entry.ttl === undefined ? 'never' : seconds(entry.ttl)],
    ['bytes', `${bytes(entry.bytes)}${entry.coding === undefined ? '' : `, ${entry.coding}`}`],
    ['handler took', entry.costMs === undefined ? undefined : duration(entry.costMs)],
    ['user', entry.user ?? (entry.isPerUser ? 'one' : undefined)],
    ['tags', entry.tags.length === 0 ? undefined : entry.tags.join(', ')],
    ['found by', entry.labels.map(({ kind, value }) => value === '' ? kind : `${kind} ${JSON.stringify(value)}`).join(', ')],
    ['selected by', entry.vary === undefined || entry.vary.length === 0 ? undefined : entry.vary.map(([name, value]) => `${name}: ${value ?? 'absent'}`).join(', ')]
  ]
  return rows.flatMap(([name, value]) => value === undefined || value === '' ? [] : [[name, value]])
}

export function stateCell (state: EntrySummary['state']): Cell {
  return { text: state, mood: state === 'fresh' ? 'good' : state === 'stale' ? 'doubtful' : 'bad' }
}
