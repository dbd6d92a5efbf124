import type { Sample } from './verdict.ts'

export interface Mark {
  /** Milliseconds since the start. */
  readonly at: number
  readonly text: string
}

const [WIDTH, HEIGHT, MARGIN] = [1200, 480, 60]
const COLOURS = ['#1b6ca8', '#c2571a', '#2e7d32', '#7b3fa0', '#8a6d00']

/** Memory over time as an SVG: what processes take with thick lines, the heap after a collection with thin ones; faults below. */
export function chart (samples: readonly Sample[], marks: readonly Mark[]): string {
  const endsAt = Math.max(1, samples.at(-1)?.at ?? 1)
  const names = [...new Set(samples.flatMap(({ servers }) => Object.keys(servers)))]
  const most = Math.max(1, ...samples.flatMap(({ servers }) => Object.values(servers).map(({ rss }) => rss)))
  const x = (at: number): string => (MARGIN + at / endsAt * (WIDTH - 2 * MARGIN)).toFixed(1)
  const y = (bytes: number): string => (HEIGHT - MARGIN - bytes / most * (HEIGHT - 2 * MARGIN)).toFixed(1)
  const line = (name: string, kind: 'rss' | 'heap', at: number): string => {
    const points = samples.flatMap((sample) => sample.servers[name] === undefined ? [] : [`${x(sample.at)},${y(sample.servers[name][kind])}`])
    return `<polyline fill="none" stroke="${COLOURS[at % COLOURS.length]!}" stroke-width="${kind === 'rss' ? 2.5 : 1}" points="${points.join(' ')}"/>`
  }
  const lines = names.flatMap((name, at) => [line(name, 'rss', at), line(name, 'heap', at)])
  const legend = names.map((name, at) => `<text x="${MARGIN + 200 * at}" y="20" fill="${COLOURS[at % COLOURS.length]!}">${name}</text>`)
  const faults = marks.map(({ at, text }) => `<line x1="${x(at)}" x2="${x(at)}" y1="${HEIGHT - MARGIN}" y2="${HEIGHT - MARGIN + 10}" stroke="#999"><title>${text}</title></line>`)
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => `<text x="5" y="${y(most * part)}">${(most * part / 1e6).toFixed(0)} MB</text>`)
  const times = [0, 0.5, 1].map((part) => `<text x="${x(endsAt * part)}" y="${HEIGHT - 15}">${(endsAt * part / 1000).toFixed(0)} s</text>`)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
${[...ticks, ...times, ...legend, ...faults, ...lines].join('\n')}
</svg>
`
}
