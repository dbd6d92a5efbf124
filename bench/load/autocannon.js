// One run of autocannon in a process of its own, so that it can be bound to a core; prints what it counted as one line of JSON.
import autocannon from 'autocannon'

const { url, connections, pipelining, seconds, headers } = JSON.parse(process.argv[2])
const startedAt = process.hrtime.bigint()
const result = await autocannon({ url, connections, pipelining, headers, duration: seconds, sampleInt: 100 })

console.log(JSON.stringify({
  requests: result.requests.total,
  seconds: Number(process.hrtime.bigint() - startedAt) / 1e9,
  failures: result.errors + result.timeouts + result.non2xx,
  p50Ms: result.latency.p50,
  p99Ms: result.latency.p99
}))
