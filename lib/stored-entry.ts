import { crc32 } from 'node:zlib'
import { isAdaptiveState, type AdaptiveState } from './adaptive-ttl.ts'
import { canDecompress, isCoding, type Coding } from './coding.ts'
import type { StaleWindows } from './http/freshness.ts'
import type { HeaderField } from './http/stored-fields.ts'
import type { Labelled } from './marks/ledger.ts'

/*
 * What is kept under one key, and its form in bytes:
 *
 *   offset 0   'FRC'            3 bytes
 *          3   version          1 byte, 4
 *          4   checksum         4 bytes, CRC-32 of all that follows
 *          8   header length    4 bytes
 *         12   body length      4 bytes
 *         16   header           JSON in UTF-8: all of the entry but its body
 *          …   body             as sent
 *
 * Numbers are unsigned, big-endian. Anything else decodes to nothing: a store is not trusted to give back what was
 * written (safety rule: length-checked decode, no code, unknown version is a miss).
 *
 * A release reads this version and that of the release before it (version 4 is the first). The same in all versions: 'FRC', the lengths, where
 * the header is, and `key`, `filled`, `storedAt`, `costMs` and `origin` in it, by which the Redis store tells which of two is the newer one.
 * What has to change with the version: `test/store/stored-format.test.ts`, docs/decisions/0014-stored-format-and-integrity.md.
 */

const MAGIC = 0x46524304
/** With the checksum in it: two frames that begin with the same bytes are the same. */
export const PREAMBLE_BYTES = 16

/** What all entries have. Instants are milliseconds since the epoch. */
interface Stored extends Labelled {
  /** The key material it was stored under; compared on read. */
  readonly key: string
  readonly storedAt: number
  readonly body: Buffer
}

/** A response as it is repeated on a hit. */
export interface StoredResponse extends Stored, StaleWindows {
  readonly kind: 'response'
  /** From here on it is no longer fresh. */
  readonly staleAt: number
  /** How old it was when it was stored (RFC 9111 section 4.2.3). */
  readonly ageMs: number
  /** How long its handler took. */
  readonly costMs: number
  /** Its handler can be asked whether it has changed, by its `ETag` or `Last-Modified`. */
  readonly isValidatable: boolean
  /** Header fields that this cache has made or changed, with what the handler had there; `null` is nothing. Where it may be asked again. */
  readonly changed?: ReadonlyArray<readonly [name: string, value: HeaderField[1] | null]>
  /** The body is compressed, by this cache: what the header fields say describes it as it is. */
  readonly coded?: CodedBody
  /** What is known of the changes of this response, where its lifetime follows them. */
  readonly adaptive?: AdaptiveState
  readonly status: number
  readonly headers: readonly HeaderField[]
  /** Header fields that hooks set before the look-up and the handler took away. */
  readonly removed: readonly string[]
  /** Request header fields that selected it (RFC 9111 section 4.1) with their values; `null` is absent. */
  readonly vary: ReadonlyArray<readonly [name: string, value: string | null]>
}

/** How a body was before it was compressed. */
export interface CodedBody {
  readonly coding: Coding
  readonly bytes: number
  readonly etag: string
}

/** A value set through the client. The store alone knows when it expires. */
export interface StoredValue extends Stored {
  readonly kind: 'value'
  /** `bytes`: a Buffer as it is; `clone`: structured clone. */
  readonly encoding: 'bytes' | 'clone'
  /** A value that was set is not replaced by one whose producer began before: that one is older, whenever it is done. */
  readonly origin: 'set' | 'produced'
}

/** What the responses of one key are selected by. They are kept under keys of their own. */
export interface StoredVariants extends Stored {
  readonly kind: 'variants'
  /** Request header fields. */
  readonly names: readonly string[]
  /** Digests of their values, the oldest first. */
  readonly digests: readonly string[]
  /** When it goes. */
  readonly until: number
  readonly costMs: number
}

export type Entry = StoredResponse | StoredValue | StoredVariants

export function encodeEntry (entry: Entry): Buffer {
  const { body, ...rest } = entry
  const header = Buffer.from(JSON.stringify(rest))
  const frame = Buffer.allocUnsafe(PREAMBLE_BYTES + header.length + body.length)
  frame.writeUInt32BE(MAGIC, 0)
  frame.writeUInt32BE(header.length, 8)
  frame.writeUInt32BE(body.length, 12)
  header.copy(frame, PREAMBLE_BYTES)
  body.copy(frame, PREAMBLE_BYTES + header.length)
  frame.writeUInt32BE(crc32(frame.subarray(8)), 4)
  return frame
}

/** The entry in these bytes, or `undefined` when they are not one that this version wrote. */
export function decodeEntry (frame: Buffer): Entry | undefined {
  if (frame.length < PREAMBLE_BYTES || frame.readUInt32BE(0) !== MAGIC) return undefined
  const bodyAt = PREAMBLE_BYTES + frame.readUInt32BE(8)
  if (frame.length !== bodyAt + frame.readUInt32BE(12)) return undefined
  if (frame.readUInt32BE(4) !== crc32(frame.subarray(8))) return undefined
  const header = parseHeader(frame.toString('utf8', PREAMBLE_BYTES, bodyAt))
  if (header === undefined) return undefined
  header.body = frame.subarray(bodyAt)
  return isEntry(header) ? header : undefined
}

/** Where the header of a frame ends, by its first bytes; `undefined` when this is no frame of this version. */
export function headerEnd (start: Buffer): number | undefined {
  if (start.length < PREAMBLE_BYTES || start.readUInt32BE(0) !== MAGIC) return undefined
  return PREAMBLE_BYTES + start.readUInt32BE(8)
}

/** The entry without its body, by bytes that hold at least the preamble and the header. The checksum is not compared. */
export function decodeHeader (start: Buffer): Omit<Entry, 'body'> | undefined {
  const end = headerEnd(start)
  if (end === undefined || start.length < end) return undefined
  const header = parseHeader(start.toString('utf8', PREAMBLE_BYTES, end))
  return header !== undefined && isEntry(header) ? header : undefined
}

function parseHeader (json: string): Record<string, unknown> | undefined {
  try {
    const header: unknown = JSON.parse(json)
    return typeof header === 'object' && header !== null ? header as Record<string, unknown> : undefined
  } catch {
    return undefined // not JSON: not ours
  }
}

/** Whether this is an entry that can be served: a store is not trusted, also one that keeps objects. */
export function isEntry (header: Record<string, unknown>): header is Record<string, unknown> & Entry {
  if (typeof header.key !== 'string' || !isInstant(header.storedAt) || !isFillStamp(header.filled)) return false
  if (!Array.isArray(header.labels) || !header.labels.every((label) => typeof label === 'string')) return false
  if (header.kind === 'value') return (header.encoding === 'bytes' || header.encoding === 'clone') && (header.origin === 'set' || header.origin === 'produced')
  if (header.kind === 'variants') return isNames(header.names) && isNames(header.digests) && isInstant(header.until) && isDuration(header.costMs)
  return header.kind === 'response' && isInstant(header.staleAt) &&
    isDuration(header.ageMs) && typeof header.isValidatable === 'boolean' && (header.coded === undefined || isCodedBody(header.coded)) &&
    (header.changed === undefined || (Array.isArray(header.changed) && header.changed.every(isChangedField))) &&
    isDuration(header.costMs) && isDuration(header.whileRevalidateMs) && isDuration(header.ifErrorMs) &&
    (header.adaptive === undefined || isAdaptiveState(header.adaptive)) &&
    Number.isInteger(header.status) && (header.status as number) >= 200 && (header.status as number) <= 599 &&
    Array.isArray(header.headers) && header.headers.every(isHeaderField) &&
    Array.isArray(header.removed) && header.removed.every(isFieldName) &&
    Array.isArray(header.vary) && header.vary.every(isVaryField)
}

function isChangedField (field: unknown): boolean {
  return isHeaderField(field) || (Array.isArray(field) && isFieldName(field[0]) && field[1] === null)
}

function isCodedBody (value: unknown): boolean {
  const { coding, bytes, etag } = (value ?? {}) as Record<string, unknown>
  return isCoding(coding) && canDecompress(coding) && Number.isInteger(bytes) && isDuration(bytes) && isFieldValue(etag)
}

function isNames (value: unknown): boolean {
  return Array.isArray(value) && value.every((name) => typeof name === 'string')
}

function isFillStamp (value: unknown): boolean {
  const { incarnation, stamp } = (value ?? {}) as Record<string, unknown>
  return typeof incarnation === 'string' && isInstant(stamp)
}

/** Not so large that it would be written with an exponent, or be a little off: header fields are made of it. */
function isInstant (value: unknown): boolean {
  return typeof value === 'number' && Math.abs(value) <= Number.MAX_SAFE_INTEGER
}

function isDuration (value: unknown): boolean {
  return isInstant(value) && (value as number) >= 0
}

/** Whether Node can send this field: anything else would turn every hit into an error. */
export function isHeaderField (field: unknown): field is HeaderField {
  if (!Array.isArray(field) || !isFieldName(field[0])) return false
  return isFieldValue(field[1]) || (Array.isArray(field[1]) && field[1].every(isFieldValue))
}

function isFieldName (name: unknown): boolean {
  return typeof name === 'string' && FIELD_NAME.test(name)
}

function isFieldValue (value: unknown): boolean {
  return typeof value === 'string' && !NOT_IN_A_VALUE.test(value)
}

const FIELD_NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/

const NOT_IN_A_VALUE = /[^\t\x20-\x7e\x80-\xff]/

function isVaryField (field: unknown): boolean {
  return Array.isArray(field) && typeof field[0] === 'string' && (typeof field[1] === 'string' || field[1] === null)
}

/**
 * Whether what is there is to stay: it was filled later than what comes, and all that was known then speaks against what comes. A value
 * that was set replaces everything, and is replaced by nothing that began at the same moment.
 */
export function isNewer (there: Entry, coming: Entry): boolean {
  if (coming.kind === 'value' && coming.origin === 'set') return false
  if (there.filled.incarnation !== coming.filled.incarnation) return false
  if (there.filled.stamp !== coming.filled.stamp) return there.filled.stamp > coming.filled.stamp
  if (there.kind === 'value') return there.origin === 'set'
  return coming.kind !== 'value' && begunAt(there) > begunAt(coming)
}

/** When its handler began. */
export function begunAt ({ storedAt, costMs }: StoredResponse | StoredVariants): number {
  return storedAt - costMs
}

/** About how much memory the entry takes, in bytes: its body, its texts at two bytes a character, and the objects around them. */
export function entryBytes (entry: Entry): number {
  let bytes = 600 + entry.body.length + 2 * entry.key.length
  for (const label of entry.labels) bytes += 40 + 2 * label.length
  if (entry.kind === 'value') return bytes
  if (entry.kind === 'variants') return bytes + 130 * entry.digests.length + 100 * entry.names.length
  for (const [name, value] of entry.headers) {
    bytes += 100 + 2 * name.length + (typeof value === 'string' ? 2 * value.length : value.reduce((sum, line) => sum + 40 + 2 * line.length, 0))
  }
  if (entry.adaptive !== undefined) bytes += 1000
  if (entry.coded !== undefined) bytes += 200
  for (const [name, value] of entry.changed ?? []) bytes += 100 + 2 * (name.length + String(value).length)
  for (const name of entry.removed) bytes += 40 + 2 * name.length
  for (const [name, value] of entry.vary) bytes += 100 + 2 * (name.length + (value?.length ?? 0))
  return bytes
}
