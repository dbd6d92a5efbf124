import fc, { type Arbitrary } from 'fast-check'
import type { FastifyReply } from 'fastify'
import { Readable } from 'node:stream'

/** No body larger than that is stored. */
export const MAX_BYTES = 3000

/** The statuses that are stored. */
export const STATUSES = [200, 200, 200, 201, 203, 204, 205, 301, 308, 404, 410, 418, 500, 503]

type Form = 'text' | 'bytes' | 'nothing' | 'object' | 'Node stream' | 'stream of text' | 'web stream' | 'Response' | 'Response with a stream' | 'late payload'

/** An arbitrary response. */
export interface Made {
  readonly status: number
  readonly fields: ReadonlyArray<readonly [name: string, value: string | readonly string[]]>
  readonly form: Form
  readonly text: string
  readonly bytes: Uint8Array
  readonly value: object
  /** Where streams are cut, and how many turns each piece takes. */
  readonly cuts: readonly number[]
  readonly isLengthGiven: boolean
}

const fieldValue = fc.oneof(
  fc.constantFrom('', 'a', 'a, b', '"quoted, \\" text"', 'x=1; y="2"', '\t', 'a\tb', '\u00ff\u0080', 'Ã©', '%', 'max-age=1', '0', '  ', ','),
  fc.string({ unit: fc.constantFrom(...Array.from({ length: 95 }, (_, at) => String.fromCharCode(32 + at)), '\t', '\u00e9', '\u00a0', '\u00ff'), maxLength: 12 })
)
const lines = fc.oneof({ weight: 3, arbitrary: fieldValue }, fc.array(fieldValue, { minLength: 1, maxLength: 3 }))
const ownName = fc.constantFrom('x-a', 'x-b', 'X-Mixed-Case', 'x_under.dot~', "!#$%&'*+-.^`|~", '0', 'constructor', 'link', 'warning', 'x-frame-options', 'allow', 'server')
const fields: Arbitrary<Made['fields']> = fc.tuple(
  fc.uniqueArray(fc.tuple(ownName, lines), { selector: ([name]) => name, maxLength: 4 }),
  fc.subarray<[string, string | readonly string[]]>([
    ['cache-control', ['public', 'max-age=60']], ['cache-control', 'max-age=5 , s-maxage="7"'], ['content-language', 'de, en'], ['etag', 'W/"a\\b\u00ff"'], ['etag', '"x"'],
    ['last-modified', 'Thu, 01 Jan 2015 00:00:00 GMT'], ['expires', '0'], ['vary', 'Accept'], ['vary', ['accept-language', 'X-None']], ['location', '/a?b#c'],
    ['content-type', 'text/html'], ['content-type', 'image/png'], ['content-type', 'application/json; charset=latin1'], ['content-disposition', 'attachment; filename="ä.txt"'],
    ['access-control-allow-origin', '*'], ['content-security-policy', "default-src 'self'"], ['content-location', '/other'], ['accept-ranges', 'none'], ['retry-after', '5']
  ], { maxLength: 5 })
).map(([own, usual]) => [...own, ...usual])

const anyText = fc.oneof(
  fc.constantFrom('', ' ', '\0', '\ud800', '\udc00\ud800', '\ufeffa', '{"a":1}', 'null', '\r\n\r\n', 'é'.repeat(MAX_BYTES / 2), '€'.repeat(MAX_BYTES / 3 + 1), 'a'.repeat(MAX_BYTES), 'a'.repeat(MAX_BYTES + 1)),
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.string({ unit: 'grapheme', maxLength: 200 })
)
const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.constantFrom(0, 1, MAX_BYTES - 1, MAX_BYTES, MAX_BYTES + 1, 3 * MAX_BYTES, 200_000).map((length) => new Uint8Array(length).map((_, at) => at % 251))
)

export const response: Arbitrary<Made> = fc.record({
  status: fc.constantFrom(...STATUSES),
  fields,
  form: fc.constantFrom<Form[]>('text', 'bytes', 'nothing', 'object', 'Node stream', 'Node stream', 'stream of text', 'web stream', 'Response', 'Response with a stream', 'late payload'),
  text: anyText,
  bytes: anyBytes,
  value: fc.oneof(fc.dictionary(fc.string({ maxLength: 5 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 }), fc.array(fc.jsonValue({ maxDepth: 1 }), { maxLength: 3 })),
  cuts: fc.array(fc.nat(400), { maxLength: 6 }),
  isLengthGiven: fc.boolean()
})

/** A 204 has no body (RFC 9110 section 15.3.5), and a `Response` refuses to have one with 205. */
function isEmpty ({ status, form }: Pick<Made, 'status' | 'form'>): boolean {
  return status === 204 || (status === 205 && form.startsWith('Response'))
}

/** The bytes of its body. */
export function bodyOf ({ status, form, text, bytes, value }: Made): Buffer {
  if (isEmpty({ status, form })) return Buffer.alloc(0)
  switch (form) {
    case 'text': case 'late payload': case 'stream of text': case 'Response': return Buffer.from(form === 'stream of text' ? text.toWellFormed() : text)
    case 'nothing': return Buffer.alloc(0)
    case 'object': return Buffer.from(JSON.stringify(value))
    case 'bytes': case 'Node stream': case 'web stream': case 'Response with a stream': return Buffer.from(bytes)
  }
}

/** Answers with it, as a handler would. */
export async function answerWith (made: Made, reply: FastifyReply): Promise<unknown> {
  const { status, form, text, value, isLengthGiven } = made
  reply.code(status)
  for (const [name, value] of made.fields) {
    // Fastify makes JSON of an object only where that is its type.
    if (form !== 'object' || name !== 'content-type' || String(value).includes('json')) reply.header(name, typeof value === 'string' ? value : [...value])
  }
  if (isLengthGiven && status !== 204 && form !== 'nothing') reply.header('content-length', String(bodyOf(made).length))
  if (isEmpty(made)) return form.startsWith('Response') ? new Response(null, { status }) : form === 'text' ? await reply.send() : null
  switch (form) {
    case 'text': return text === '' ? await reply.send('') : text
    case 'bytes': return Buffer.from(made.bytes)
    case 'nothing': return await reply.send()
    case 'object': return value
    case 'Node stream': return Readable.from(pieces(made), { objectMode: false })
    case 'stream of text': return Readable.from(textPieces(text.toWellFormed()), { objectMode: false })
    case 'web stream': return await reply.send(Readable.toWeb(Readable.from(pieces(made), { objectMode: false })))
    case 'Response': return new Response(text, { status })
    case 'Response with a stream': return new Response(Readable.toWeb(Readable.from(pieces(made), { objectMode: false })) as ReadableStream, { status })
    case 'late payload':
      await new Promise(setImmediate)
      return await reply.send(text)
  }
}

async function * pieces ({ bytes, cuts }: Made): AsyncGenerator<Buffer> {
  const all = Buffer.from(bytes)
  let at = 0
  for (const length of cuts) {
    if (length % 3 === 0) await new Promise(setImmediate)
    if (at + length > all.length) break
    if (length > 0) yield all.subarray(at, at + length)
    at += length
  }
  if (at < all.length) yield all.subarray(at)
}

async function * textPieces (text: string): AsyncGenerator<string> {
  const chars = [...text]
  for (let at = 0; at < chars.length; at += 50) yield chars.slice(at, at + 50).join('')
}
