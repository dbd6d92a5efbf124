/*
 * How much outdated content an adaptive ttl serves, and what it costs in calls of the handler, against the fixed ttl that
 * knowledge of the whole trace would choose. Simulated, the same for the same seed. Prints tables, draws docs/adaptive-ttl.svg:
 *
 *   npx tsx bench/adaptive-ttl.ts
 */
import { writeFile } from 'node:fs/promises'
import type { AdaptiveOptions } from '../lib/adaptive-ttl.ts'
import {
  DAY, HOUR, MINUTE, SECOND, STEPS, adaptive, bursts, dayAndNight, longestFixed, meanAt, periodic, simulate, steady, steps,
  type Outcome, type Requests, type Trace
} from '../test/adaptive-ttl/simulation.ts'

const SEED = 1
const FIRST_MS = 5 * SECOND
const LIMITS = { minMs: 100, maxMs: HOUR }
const FRACTIONS = [0.01, 0.05]
const PLOTTED = 0.05

const traces: Record<string, Trace> = {
  'steady, 10 s': steady(10 * SECOND, 12 * HOUR, SEED),
  'steady, 5 min': steady(5 * MINUTE, 10 * DAY, SEED),
  'steady, 6 h': steady(6 * HOUR, 200 * DAY, SEED),
  bursts: bursts({ quietMs: HOUR, burstMs: MINUTE, count: 20, times: 240 }, SEED),
  'day and night': dayAndNight(30, SEED),
  'steps, 1 h and 10 s': steps(24, SEED),
  'every 5 min': periodic(5 * MINUTE, 3 * DAY),
  never: { lengthMs: 10 * DAY, changes: [] }
}

interface Row {
  readonly name: string
  readonly trace: Trace
  readonly found: Outcome
  readonly fixedMs: number
  readonly fixed: Outcome
}

function compare (options: AdaptiveOptions, requests: Requests): Row[] {
  return Object.entries(traces).map(([name, trace]) => {
    const fixedMs = longestFixed(options, (ttlMs) => simulate(trace, requests, () => ttlMs).stale)
    const found = simulate(trace, requests, adaptive(options, FIRST_MS))
    return { name, trace, found, fixedMs, fixed: simulate(trace, requests, () => fixedMs) }
  })
}

function print (title: string, rows: Row[], asked: number): void {
  console.log(`\n${title}`)
  console.table(Object.fromEntries(rows.map(({ name, found, fixedMs, fixed }) => [name, {
    'stale %': round(found.stale * 100),
    'stale / asked': round(found.stale / asked),
    calls: found.calls,
    'best fixed ttl, s': round(fixedMs / 1000),
    'calls with it': fixed.calls,
    'calls / its calls': round(found.calls / fixed.calls)
  }])))
}

/** All traces side by side, each with the same share of the requests. */
function printMixture (options: AdaptiveOptions, requests: Requests, rows: Row[]): void {
  const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
  const perHour = (calls: (row: Row) => number): number => mean(rows.map((row) => calls(row) / row.trace.lengthMs * HOUR))
  const staleOf = (ttlMs: number): number[] => rows.map(({ trace }) => simulate(trace, requests, () => ttlMs).stale)
  const describe = (ttlMs: number): Record<string, number> => ({
    'ttl, s': round(ttlMs / 1000),
    'calls per hour and trace': round(perHour(({ trace }) => simulate(trace, requests, () => ttlMs).calls)),
    'mean stale %': round(mean(staleOf(ttlMs)) * 100),
    'worst stale %': round(Math.max(...staleOf(ttlMs)) * 100)
  })
  console.table({
    adaptive: {
      'calls per hour and trace': round(perHour(({ found }) => found.calls)),
      'mean stale %': round(mean(rows.map(({ found }) => found.stale)) * 100),
      'worst stale %': round(Math.max(...rows.map(({ found }) => found.stale)) * 100)
    },
    'one ttl, asked fraction on each trace': describe(Math.min(...rows.map(({ fixedMs }) => fixedMs))),
    'one ttl, asked fraction on average': describe(longestFixed(options, (ttlMs) => mean(staleOf(ttlMs))))
  })
}

function printTooLongMin (): void {
  let why = ''
  const options = { ...LIMITS, minMs: SECOND, maxStaleFraction: 0.01 }
  const policy = adaptive(options, FIRST_MS, (_, chosen) => { why = chosen.why })
  const { stale } = simulate(traces['steady, 10 s']!, { everyMs: 100 }, policy)
  console.log(`\nsteady, 10 s, with min 1 s and 1 % asked: ${round(stale * 100)} % stale\n${why}`)
}

function round (value: number): number {
  return Number(value.toPrecision(3))
}

interface Point { readonly at: number, readonly ms: number }

/** The ttls chosen in two turns of the steps, after three turns to learn. */
function chosenTtls (from: number, to: number): Point[] {
  const points: Point[] = []
  const watch = (at: number, { ttlMs }: { ttlMs: number }): void => { if (at >= from && at < to) points.push({ at: at - from, ms: ttlMs }) }
  simulate(traces['steps, 1 h and 10 s']!, { everyMs: 100 }, adaptive({ ...LIMITS, maxStaleFraction: PLOTTED }, FIRST_MS, watch))
  return points
}

/** Written out for each scheme, because not every renderer of SVG knows custom properties. */
function colours (ink: string, dim: string, grid: string, paper: string, [one, two]: [string, string]): string {
  return `
  text { fill: ${ink} } .dim { fill: ${dim} } .paper { fill: ${paper} } .one { fill: ${one} } .two { fill: ${two} }
  .grid { stroke: ${grid} } .limit { stroke: ${ink} } .ttl { stroke: ${one} } .mean { stroke: ${two} } .ideal { stroke: ${ink} }`
}

const STYLE = `
  text { font: 14px system-ui, 'DejaVu Sans', sans-serif } .title { font-weight: 600; font-size: 16px }
  .end { text-anchor: end } .middle { text-anchor: middle } path { fill: none; stroke-linejoin: round }
  .ttl { stroke-width: 1.5 } .mean { stroke-width: 2 } .ideal { stroke-width: 1.5 } .ideal, .limit { stroke-dasharray: 5 4 }
  ${colours('#1f2328', '#59636e', '#d1d9e0', '#ffffff', ['#0969da', '#bc4c00'])}
  @media (prefers-color-scheme: dark) {${colours('#f0f6fc', '#9198a1', '#3d444d', '#0d1117', ['#58a6ff', '#f0883e'])}
  }`

function draw (rows: Map<number, Row[]>): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 800" width="900" height="800" role="img" aria-labelledby="title">
<title id="title">The chosen ttl follows a rate of changes that jumps; the stale fraction of each trace stays within twice the asked one</title>
<style>${STYLE}
</style>
<rect class="paper" width="900" height="800"/>
${drawTtls()}
${drawBars(rows)}
</svg>
`
}

function drawTtls (): string {
  const from = 3 * STEPS.cycleMs
  const lengthMs = 2 * STEPS.cycleMs
  const x = (at: number): number => 90 + at / lengthMs * 780
  const y = (ms: number): number => 370 - Math.log10(ms / 100) / Math.log10(72_000) * 290
  const line = (points: Point[]): string => points.map(({ at, ms }, i) => `${i === 0 ? 'M' : 'L'}${x(at).toFixed(1)} ${y(ms).toFixed(1)}`).join('')
  const turns = [0, 1].flatMap((turn) => [0, STEPS.slowForMs, STEPS.slowForMs, STEPS.cycleMs].map((at, i) =>
    ({ at: turn * STEPS.cycleMs + at, ms: meanAt(i < 2 ? 0 : STEPS.slowForMs) })))
  const levels = ([[100, '0.1 s'], [1000, '1 s'], [10_000, '10 s'], [MINUTE, '1 min'], [10 * MINUTE, '10 min'], [HOUR, '1 h']] as const)
    .map(([ms, label]) => `<path class="grid" d="M90 ${y(ms).toFixed(1)}H870"/><text class="end dim" x="82" y="${(y(ms) + 5).toFixed(1)}">${label}</text>`)
  const hours = Array.from({ length: 8 }, (_, i) => `<text class="middle dim" x="${x(i * 2 * HOUR).toFixed(1)}" y="392">${i * 2} h</text>`)
  return `<text class="title" x="30" y="32">The ttl chosen when the rate of changes jumps (${PLOTTED * 100} % stale asked)</text>
<path class="mean" d="M90 54h24"/><text x="120" y="59">true mean time between changes</text>
<path class="ttl" d="M360 54h24"/><text x="390" y="59">chosen ttl</text>
<path class="ideal" d="M490 54h24"/><text x="520" y="59">ttl for ${PLOTTED * 100} % stale at this rate</text>
${levels.join('\n')}
${hours.join('')}
<path class="ttl" d="${line(thinned(chosenTtls(from, from + lengthMs), lengthMs))}"/>
<path class="mean" d="${line(turns)}"/>
<path class="ideal" d="${line(turns.map(({ at, ms }) => ({ at, ms: ms * 2 * PLOTTED })))}"/>`
}

/** Lowest and highest of each half pixel. */
function thinned (points: Point[], lengthMs: number): Point[] {
  const columns = new Map<number, Point[]>()
  for (const point of points) {
    const column = Math.floor(point.at / lengthMs * 1560)
    columns.set(column, [...columns.get(column) ?? [], point])
  }
  return [...columns.values()].flatMap((column) => {
    const sorted = column.toSorted((a, b) => a.ms - b.ms)
    return [sorted[0]!, sorted.at(-1)!].sort((a, b) => a.at - b.at)
  })
}

function drawBars (byFraction: Map<number, Row[]>): string {
  const x = (times: number): number => 190 + times * 310
  const bars = [...byFraction].flatMap(([fraction, rows], series) => rows.map(({ name, found }, i) => {
    const top = 484 + i * 36 + series * 14
    const label = series === 0 ? `<text class="end" x="180" y="${top + 18}">${name}</text>` : ''
    const times = found.stale / fraction
    return `${label}<rect class="${series === 0 ? 'one' : 'two'}" x="190" y="${top}" width="${(times * 310).toFixed(1)}" height="12"/>${times === 0 && series === 0 ? `<text x="198" y="${top + 18}">0</text>` : ''}`
  }))
  const limit = (times: number, text: string): string =>
    `<path class="limit" d="M${x(times)} 476V772"/><text class="middle" x="${x(times)}" y="792">${text}</text>`
  return `<text class="title" x="30" y="434">Requests answered with outdated content, as a multiple of the asked fraction</text>
<rect class="one" x="90" y="448" width="24" height="12"/><text x="120" y="459">1 % asked</text>
<rect class="two" x="220" y="448" width="24" height="12"/><text x="250" y="459">5 % asked</text>
${bars.join('\n')}
${limit(1, 'asked')}${limit(2, 'promised: at most twice')}`
}

const busy = new Map<number, Row[]>()
for (const maxStaleFraction of FRACTIONS) {
  const options = { ...LIMITS, maxStaleFraction }
  const rows = compare(options, { everyMs: 100 })
  busy.set(maxStaleFraction, rows)
  print(`${maxStaleFraction * 100} % asked, 10 requests/s`, rows, maxStaleFraction)
  printMixture(options, { everyMs: 100 }, rows)
  print(`${maxStaleFraction * 100} % asked, 1 request/min`, compare(options, { everyMs: MINUTE }), maxStaleFraction)
}
printTooLongMin()
await writeFile(new URL('../docs/adaptive-ttl.svg', import.meta.url), draw(busy))
