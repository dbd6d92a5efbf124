import { test } from 'tap'
import { parseCacheControl } from '../../lib/http/cache-control.ts'
import { directiveMs, parseDeltaMs } from '../../lib/http/delta-seconds.ts'

test('seconds are read as milliseconds, up to 2^31 seconds (RFC 9111 section 1.2.2)', async (t) => {
  const table: Array<[string | null | undefined, number | undefined]> = [
    ['0', 0], ['60', 60_000], ['0060', 60_000], ['2147483647', 2147483647000], ['2147483648', 2147483648000], ['2147483649', 2147483648000],
    ['99999999999', 2147483648000], ['9'.repeat(400), 2147483648000],
    ['', undefined], [' 60', undefined], ['60 ', undefined], ['60\n', undefined], ['-1', undefined], ['+1', undefined], ['1.0', undefined], ['1e3', undefined],
    ['0x10', undefined], ['60s', undefined], ['a60', undefined], ["'60'", undefined], ['"60"', undefined], ['٦', undefined], [null, undefined], [undefined, undefined]
  ]
  for (const [text, ms] of table) t.equal(parseDeltaMs(text), ms, JSON.stringify(text))
})

test('a directive that cannot be read, or says two things, says 0 (RFC 9111 section 4.2.1)', async (t) => {
  const table: Array<[string, number | undefined]> = [
    ['', undefined], ['public', undefined], ['x-max-age=60', undefined],
    ['max-age=60', 60_000], ['max-age="60"', 60_000], ['MAX-AGE=60', 60_000], ['max-age=60, max-age=60', 60_000], ['max-age=60, max-age=060', 60_000],
    ['max-age=60, max-age=61', 0], ['max-age=0, max-age=60', 0], ['max-age, max-age=60', 0], ['max-age=60, max-age=x', 0],
    ['max-age', 0], ['max-age=""', 0], ['max-age=x', 0], ['max-age=-1', 0], ['max-age=x, max-age=y', 0], ['max-age=60.0', 0], ["max-age='60'", 0]
  ]
  for (const [field, ms] of table) t.equal(directiveMs(parseCacheControl(field)!, 'max-age'), ms, field)
})
