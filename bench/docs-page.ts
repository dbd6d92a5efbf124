import type { Effort } from './measure.ts'
import { tables, type Results } from './report.ts'

/** The text of docs/benchmarks.md. */
export function benchmarksPage (machine: Array<[string, string]>, effort: Effort, results: Results): string {
  return `# Benchmarks

Written by \`npm run bench -- --write\`. Figures of one machine: compare the ratios, not the requests per second, and run \`npm run bench\` on yours.

## The machine

${machine.map(([label, value]) => `- ${label}: ${value}`).join('\n')}

## How it is measured

- The response is about 5 KB of JSON. Every contestant answers with the same bytes, which is checked before it is timed; that a hit is a hit is checked
  before (\`X-Cache\`, calls of the handler) and after every run (calls of the handler).
- Every contestant is a server in a process of its own, plain JavaScript, \`NODE_ENV=production\`, logger off, the library compiled. Servers share one core,
  the load generator and Redis have another one. Nothing else runs on purpose.
- Two servers are compared by runs of ${effort.seconds} s in turn (A B, B A, …), ${effort.launches} launches of both servers with ${effort.pairs} pairs of runs each. The ratio is taken
  pair by pair, requests per second of the first over those of the second; the table has the median of the ratios, and the smallest and largest.
- CPU µs per request is the CPU time of the server process; the CPU ratio is that of the second over that of the first, median of the pairs. A pair in
  which a server was busy for less than 90 % of the time (something else ran on its core, or the load generator was too slow for it) is repeated. Where that
  does not help, the CPU ratio is compared with the floor, and the table says so.
- Servers start with \`--initial-heap-size=128\`. Otherwise the first full collection of V8 falls into the warm-up of some launches and not of others,
  and slows those for as long as they live.
- The control row compares a server with another process of itself: what it differs from 1 is noise.
- Peers take turns in ${effort.rounds} rounds, every other round in reverse order; each is compared with the memory hit of the same round.
- Peers do different things: fastify-lcache and apicache answer before the guards of a route run and do not look at credentials; the caches in a handler
  keep a value, not a response. The tables say what a hit costs, not what it is worth.

## Results

${tables(results)}

## Run it

\`\`\`sh
npm run bench                       # everything, about ten minutes
npm run bench -- --quick            # a short run, for a first impression
npm run bench -- --only memory,redis
npm run bench -- --load autocannon  # wrk is used if it is installed, else autocannon
npm run bench -- --write            # everything, and this page
\`\`\`

With \`REDIS_URL\` that Redis is used, else \`redis-server\` from the PATH is started for the time of the run.
`
}
