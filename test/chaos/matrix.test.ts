import t from 'tap'
import { FAULTS } from './faults.ts'
import { runMatrix, SHORT } from './matrix.ts'
import { brokenPromises, matrixTable, oracleLine } from './table.ts'

// The long form, with latencies: npx tsx test/chaos/run.ts
const FEW = ['kill', 'oom', 'silence', 'cut']
const TIMES = { ...SHORT, warmUpMs: 1000, faultMs: 1000, afterMs: 1500 }
// How soon things are normal again, and how long answers take, depends on what else the machine does.
const isBusy = true

t.test('while Redis fails clients get their answers, none of them stale, and afterwards all is as before', async (t) => {
  const rows = await runMatrix({ faults: FAULTS.filter(({ name }) => FEW.includes(name)), times: TIMES, isBusy })
  t.comment(matrixTable(rows))
  for (const row of rows) {
    t.comment(oracleLine(row))
    t.strictSame(brokenPromises(row, { isBusy }), [], row.fault.description)
    for (const { operation, requests, p99 } of row.cells) t.ok(requests > 5 && p99 > 0, `${operation} is under load`)
    t.ok(row.oracle.invalidations > 0 && row.oracle.responses > 0, 'the oracle has seen something')
  }
})
