import { readFile } from 'node:fs/promises'
import { test } from 'tap'
import { docsOfReason, type ReasonTable } from '../../lib/route/reason-docs.ts'
import { hitRateOf, LATENCY_BOUNDS_MS, percentileOf, type Latency } from '../../lib/stats/counts.ts'

/** The parts of the page that need no browser. They are JavaScript, so that they are loaded by their address. */

interface Numbers {
  hitRateOf: typeof hitRateOf
  percentileOf: (latency: Latency, share: number, bounds: readonly number[]) => number | undefined
}
type Formats = Record<'bytes' | 'duration' | 'latency' | 'percent' | 'short', (value: number | undefined) => string>

const folder = new URL('../../lib/admin/dashboard/', import.meta.url)
const numbers = await import(new URL('numbers.js', folder).href) as Numbers
const words = await import(new URL('words.js', folder).href) as { docsOf: (kind: string, word: string) => string, sentenceOf: (kind: string, word: string) => string, REASONS: Record<string, Record<string, string>> }
const formats = await import(new URL('format.js', folder).href) as Formats

test('the page makes percentiles and rates as the cache does', async (t) => {
  let seed = 1
  const random = (): number => (seed = seed * 16_807 % 2_147_483_647) / 2_147_483_647
  for (let turn = 0; turn < 200; turn++) {
    const classes = Array.from({ length: LATENCY_BOUNDS_MS.length + 1 }, () => random() < 0.5 ? 0 : Math.floor(random() * 100))
    const latency = { count: classes.reduce((sum, one) => sum + one, 0), sumMs: 0, classes }
    for (const share of [0.01, 0.5, 0.95, 0.99, 1]) t.equal(numbers.percentileOf(latency, share, LATENCY_BOUNDS_MS), percentileOf(latency, share), `${share} of ${classes}`)
  }
  for (const counts of [{ hits: 0, stale: 0, misses: 0 }, { hits: 3, stale: 1, misses: 4 }]) t.equal(numbers.hitRateOf(counts), hitRateOf(counts))
})

test('numbers are written for people', async (t) => {
  const written: Array<[keyof Formats, number | undefined, string]> = [
    ['percent', undefined, '–'], ['percent', 0, '0 %'], ['percent', 1, '100 %'], ['percent', 0.9999, '99.9 %'], ['percent', 0.5, '50.0 %'],
    ['bytes', 0, '0 B'], ['bytes', 999, '999 B'], ['bytes', 1000, '1 kB'], ['bytes', 999_999, '1 MB'], ['bytes', 1_234_567, '1.23 MB'],
    ['latency', 0.1, '0.1 ms'], ['latency', 12.34, '12.3 ms'], ['latency', 250, '250 ms'], ['latency', 2500, '2.5 s'],
    ['duration', 0, '0 ms'], ['duration', 59_990, '1 min'], ['duration', 3_600_000, '1 h'], ['duration', 5_400_000, '1 h 30 min'], ['duration', 90_000_000, '1 d 1 h'],
    ['short', 9999, '9,999'], ['short', 12_345, '12.3K']
  ]
  for (const [format, value, text] of written) t.equal(formats[format](value), text, `${format} ${value}`)
})

test('each word leads to its own place in the docs, which is there', async (t) => {
  const page = await readFile(new URL('../../docs/what-is-cached.md', import.meta.url), 'utf8')
  const tables: Record<string, ReasonTable> = { bypass: 'bypass', notStored: 'not-stored', miss: 'miss', stale: 'stale', refused: 'refusal' }
  for (const [kind, sentences] of Object.entries(words.REASONS)) {
    for (const word of Object.keys(sentences)) {
      const place = words.docsOf(kind, word)
      t.equal(place, docsOfReason(tables[kind]!, word), `${kind} ${word}`)
      t.ok(page.includes(`<a id="${place.split('#')[1]}"></a>`), place)
    }
  }
})

test('nothing in a text of a client is hidden, or changes what stands around it', async (t) => {
  const { visible } = await import(new URL('dom.js', folder).href) as { visible: (text: string) => string }
  const written: Array<[string, string]> = [
    ['user:\u202e1', 'user:\\u{202e}1'], ['a\u200bb', 'a\\u{200b}b'], ['a\u0000\u001b[31m', 'a\\u{0}\\u{1b}[31m'], ['\ud800', '\\u{d800}'], ['\u2028\u2066', '\\u{2028}\\u{2066}'],
    ['a\n\tb', 'a\n\tb'], ['é 😀 日本 עברית \u{1f468}\u200d\u{1f469}', 'é 😀 日本 עברית \u{1f468}\u200d\u{1f469}']
  ]
  for (const [text, seen] of written) t.equal(visible(text), seen)
})
