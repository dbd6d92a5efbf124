import { validateHeaderName, validateHeaderValue } from 'node:http'
import { crc32 } from 'node:zlib'
import { MarkLedger } from '../../../lib/marks/ledger.ts'
import { begunAt, decodeEntry, decodeHeader, encodeEntry, entryBytes, headerEnd, isNewer, type Entry, type StoredResponse } from '../../../lib/stored-entry.ts'
import { holds, same, type Target } from '../target.ts'

/*
 * What is promised of bytes from a store. Without `integrity`: what decodes is an entry that can be served, whoever wrote it, and
 * damage by chance decodes to nothing but for one time in 2^32, the checksum's. Whoever may write to the store can write any
 * response, with a right checksum.
 */

const COMMON = { key: 'n:GET:2:/a;r2:/a', storedAt: 1_700_000_000_000, filled: { incarnation: '-12345', stamp: 1_700_000_000_000_000 }, labels: ['n:n', 'l:/a', 't:user:1'] }

const RESPONSE: StoredResponse = {
  ...COMMON, kind: 'response', staleAt: 1_700_000_060_000, ageMs: 0, costMs: 12, isValidatable: true, whileRevalidateMs: 1000, ifErrorMs: 0, status: 200, headers: [['content-type', 'text/html'], ['etag', '"x"'], ['link', ['</a>; rel=next', '</b>']]], removed: ['x-gone'], vary: [['accept-encoding', 'gzip'], ['origin', null]], body: Buffer.from('body')
}

const ENTRIES: readonly Entry[] = [
  RESPONSE,
  { ...RESPONSE, coded: { coding: 'br', bytes: 100, etag: '"y"' }, changed: [['vary', null], ['etag', '"z"']] },
  { ...RESPONSE, adaptive: { digest: 'd', at: 1_700_000_000_000, ttlMs: 1000, quietMs: 0, quietChecks: 0, caution: 1, changes: [] } },
  { ...COMMON, kind: 'value', encoding: 'clone', origin: 'set', body: Buffer.from([1, 2, 3]) },
  { ...COMMON, kind: 'value', encoding: 'bytes', origin: 'produced', body: Buffer.alloc(0) },
  { ...COMMON, kind: 'variants', names: ['accept', 'origin'], digests: ['abc', 'def'], until: 1_700_000_600_000, costMs: 3, body: Buffer.alloc(0) }
]

const FRAMES = new Set(ENTRIES.map((entry) => encodeEntry(entry).toString('latin1')))

/** Bytes as they may lie in Redis: damaged, cut, joined, of another version. */
export const frame: Target = {
  name: 'frame',
  corpus: [...FRAMES].map((text) => Buffer.from(text, 'latin1')),
  tokens: ['FRC\x04', 'FRC\x03', '\0\0\0\0', '\xff\xff\xff\xff', '\x7f\xff\xff\xff', '\0\0\0\x10', '{}', '{', '"kind":"value"'],
  weight: 2,
  check (input) {
    const entry = decodeEntry(input)
    const end = headerEnd(input)
    holds(end === undefined || end >= 16, 'a header ends where it begins, or later')
    const labelled = decodeHeader(input)
    if (entry === undefined) return `nothing${end === undefined ? '' : ' but a preamble'}${labelled === undefined ? '' : ' but a header'}`
    holds(FRAMES.has(input.toString('latin1')), 'what was changed by chance is an entry')
    same(labelled?.labels, entry.labels, 'labels')
    return entry.kind
  }
}

/** A header that whoever may write to the store has made up, with a right checksum, and the body behind the first zero byte. */
export const header: Target = {
  name: 'header',
  corpus: ENTRIES.map(({ body, ...rest }) => Buffer.concat([Buffer.from(JSON.stringify(rest)), Buffer.from([0]), body])),
  tokens: [
    '"', ',', ':', '[', ']', '{', '}', 'null', 'true', '[]', '{}', '""', '-1', '1e400', '1e308', '-0', '0.5', '\\u0000', '\\n', '\\ud800', '\xc3\xa9', '"__proto__":', '"body":', '"kind":"response"', '"kind":"variants"', '"length":1',
    '"coded":', '"adaptive":', '"changed":', '"status":101', '"content-length"', '"set-cookie"', '"transfer-encoding"', '["x-a","b"],', '["x-a",["b","c"]],', '["x-a",[]],', '[[]],'
  ],
  check (input) {
    const at = input.indexOf(0)
    const [json, body] = at === -1 ? [input, Buffer.alloc(0)] : [input.subarray(0, at), input.subarray(at + 1)]
    const written = framed(json, body)
    const entry = decodeEntry(written)
    const labelled = decodeHeader(written.subarray(0, headerEnd(written)))
    holds((entry === undefined) === (labelled === undefined), 'with and without its body it is the same')
    if (entry === undefined) return 'nothing'
    holds(entry.body.equals(body), 'the body is what was written')
    same(withoutBody(decodeEntry(encodeEntry(entry))), withoutBody(entry), 'written again')
    holds(entryBytes(entry) > 0 && Number.isFinite(entryBytes(entry)), 'it takes memory')
    isJudged(entry)
    return entry.kind === 'response' ? sendable(entry) : entry.kind
  }
}

/** With a right checksum. */
export function framed (json: Buffer, body: Buffer): Buffer {
  const written = Buffer.alloc(16 + json.length + body.length)
  written.write('FRC\x04', 'latin1')
  written.writeUInt32BE(json.length, 8)
  written.writeUInt32BE(body.length, 12)
  json.copy(written, 16)
  body.copy(written, 16 + json.length)
  written.writeUInt32BE(crc32(written.subarray(8)), 4)
  return written
}

function withoutBody (entry: Entry | undefined): object | undefined {
  return entry && { ...entry, body: undefined }
}

/** Marks and other entries are compared with it, whatever it says of itself. */
function isJudged (entry: Entry): void {
  const ledger = new MarkLedger()
  ledger.restart(entry.filled.incarnation)
  ledger.learn([{ kind: 'hard', label: 't:user:1', stamp: 2 ** 50 }, { kind: 'soft', label: 'p:*', stamp: 2 ** 50 + 1 }, { kind: 'hard', label: 'k:a', stamp: 2 ** 50 + 2 }], 2 ** 51)
  const verdict = ledger.verdict(entry, { id: 'a' })
  if (entry.filled.stamp < 2 ** 50) holds(verdict === 'dead', 'what was filled before a mark of its key is dead')
  for (const other of ENTRIES) holds(!(isNewer(entry, other) && isNewer(other, entry)), 'of two entries one is newer')
  if (entry.kind !== 'value') holds(Number.isFinite(begunAt(entry)), 'it began at some time')
}

/** What Node would throw at every hit, or what is no such field. */
function sendable (entry: StoredResponse): string {
  holds(Number.isInteger(entry.status) && entry.status >= 200 && entry.status <= 599, 'a final status')
  for (const [name, value] of [...entry.headers, ...entry.changed ?? []]) {
    validateHeaderName(name)
    for (const line of [value].flat()) if (line !== null) validateHeaderValue(name, line)
  }
  for (const name of entry.removed) validateHeaderName(name)
  const { storedAt, ageMs, staleAt, coded } = entry
  const numbers = [Math.max(0, Math.floor((1_700_000_100_000 - storedAt + ageMs) / 1000)), Math.floor((staleAt - 1_700_000_100_000) / 1000), coded?.bytes ?? 0]
  holds(numbers.every((number) => /^-?\d+$/.test(String(number))), `Age, ttl and Content-Length are whole numbers: ${numbers.join(' ')}`)
  if (coded !== undefined) validateHeaderValue('etag', coded.etag)
  return `response${coded === undefined ? '' : ` ${coded.coding}`}${entry.adaptive === undefined ? '' : ' adaptive'}${entry.changed === undefined ? '' : ' changed'}`
}
