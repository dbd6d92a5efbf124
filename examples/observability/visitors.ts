// Visits the shop until it is stopped:  npx tsx examples/observability/visitors.ts http://127.0.0.1:3000
import { visitShop } from './traffic.ts'

const stopped = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => { stopped.abort() })
await visitShop(process.argv[2] ?? 'http://127.0.0.1:3000', { signal: stopped.signal })
