import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** A response as it came over the socket. */
export interface Exchange {
  statusLine: string
  status: number
  /** Every field line in the order it came, names in lower case. */
  lines: Array<readonly [name: string, value: string]>
  /** The value of a field, several lines joined with `, `; `undefined` without one. */
  field (name: string): string | undefined
  body: Buffer
  text: string
  trailers: string[]
  isChunked: boolean
  /** Whether the response came to its end: the whole announced length, or the last chunk. */
  isComplete: boolean
}

export interface RequestOptions {
  method?: string
  /** Added to Host and Connection; may replace them. */
  headers?: Record<string, string>
  body?: string
  /** In place of a TCP connection of its own, which it ends. */
  socket?: Socket
}

/** Sends one request over a socket of its own and reads until the server closes it. */
export async function exchange (port: number, path: string, options: RequestOptions = {}): Promise<Exchange> {
  const socket = options.socket ?? connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.write(requestText(path, options))
  await once(socket, 'close')
  return parseExchange(Buffer.concat(chunks), options.method ?? 'GET')
}

export function requestText (path: string, { method = 'GET', headers = {}, body }: RequestOptions = {}): string {
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
  const fields = { host: 'a.example', connection: 'close', ...length, ...headers }
  return `${method} ${path} HTTP/1.1\r\n${Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body ?? ''}`
}

function parseExchange (bytes: Buffer, method: string): Exchange {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd === -1) throw new Error(`no response, but ${bytes.length} bytes: ${bytes.toString('latin1')}`)
  const [statusLine = '', ...fieldLines] = bytes.toString('latin1', 0, headEnd).split('\r\n')
  const lines = fieldLines.map((line) => {
    const at = line.indexOf(':')
    return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()] as const
  })
  const field = (name: string): string | undefined => {
    const values = lines.filter((line) => line[0] === name).map((line) => line[1])
    return values.length === 0 ? undefined : values.join(', ')
  }
  const rest = bytes.subarray(headEnd + 4)
  const isChunked = field('transfer-encoding') === 'chunked' && method !== 'HEAD'
  const content = isChunked ? dechunk(rest) : { body: rest, trailers: [], isComplete: isWhole(rest, field('content-length'), method) }
  const status = Number(statusLine.split(' ')[1])
  return { statusLine, status, lines, field, isChunked, ...content, text: content.body.toString() }
}

function isWhole (body: Buffer, length: string | undefined, method: string): boolean {
  return method === 'HEAD' ? body.length === 0 : length === undefined || Number(length) === body.length
}

function dechunk (bytes: Buffer): Pick<Exchange, 'body' | 'trailers' | 'isComplete'> {
  const chunks: Buffer[] = []
  for (let at = 0; ;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd === -1) return { body: Buffer.concat(chunks), trailers: [], isComplete: false }
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16)
    at = lineEnd + 2
    if (size === 0) {
      const trailers = bytes.toString('latin1', at).split('\r\n').filter((line) => line !== '')
      return { body: Buffer.concat(chunks), trailers, isComplete: true }
    }
    chunks.push(bytes.subarray(at, at + size))
    at += size + 2
  }
}

/** Fields that belong to one exchange, and those that tell how the body was framed for it. */
const ONE_EXCHANGE = new Set(['date', 'age', 'connection', 'keep-alive', 'x-cache', 'cache-status', 'transfer-encoding'])

/** The form of an ETag that is made of a body. */
export const MADE_ETAG = /^"[\w-]{27}"$/

/** What a hit has to repeat: status line, field lines and the very bytes of the body, `ignored` fields aside. */
export function repeatable (response: Exchange, { ignored = [] }: { ignored?: string[] } = {}): object {
  const fields = response.lines.filter(([name]) => !ONE_EXCHANGE.has(name) && !ignored.includes(name) && name !== 'content-length')
  // A response of unknown length has a known one once it is stored.
  const length = response.isChunked ? String(response.body.length) : response.field('content-length')
  return {
    statusLine: response.statusLine,
    // The order of lines with different names says nothing (RFC 9110 section 5.3); that of equal names does.
    fields: fields.map(([name, value], index) => ({ name, index, value })).sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : a.index - b.index)
      .map(({ name, value }) => `${name}: ${value}`),
    length,
    body: response.body.toString('base64'),
    isComplete: response.isComplete
  }
}
