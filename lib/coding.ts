import { promisify } from 'node:util'
import * as zlib from 'node:zlib'
import { pipeline, Transform } from 'node:stream'

/** A content coding in which bodies are stored (RFC 9110 section 8.4.1, RFC 7932, RFC 8878). */
export type Coding = 'br' | 'gzip' | 'zstd'

interface Codec {
  readonly compress: (body: Buffer) => Promise<Buffer>
  readonly decompress: () => Transform
}

type Compress = (body: Buffer, callback: (fault: Error | null, compressed: Buffer) => void) => void

/** What Node has since 22.15. */
const { zstdCompress, createZstdDecompress } = zlib as { zstdCompress?: Compress, createZstdDecompress?: () => Transform }

export const hasZstd = zstdCompress !== undefined && createZstdDecompress !== undefined

/** Its default, 11, takes thirty times as long for some percent less. */
const BROTLI_QUALITY = 5

const CODECS: Readonly<Record<Coding, Codec | undefined>> = {
  br: {
    compress: async (body) => await promisify(zlib.brotliCompress)(body, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY, [zlib.constants.BROTLI_PARAM_SIZE_HINT]: body.length } }),
    decompress: () => zlib.createBrotliDecompress()
  },
  gzip: {
    compress: async (body) => await promisify<Buffer, Buffer>(zlib.gzip)(body),
    decompress: () => zlib.createGunzip()
  },
  zstd: zstdCompress === undefined || createZstdDecompress === undefined ? undefined : { compress: promisify(zstdCompress), decompress: createZstdDecompress }
}

export function isCoding (value: unknown): value is Coding {
  return typeof value === 'string' && Object.hasOwn(CODECS, value)
}

/** Rejects for a coding that this version of Node does not have. */
export async function compress (body: Buffer, coding: Coding): Promise<Buffer> {
  return await codec(coding).compress(body)
}

/**
 * The body as it was, as a stream. It fails for a body that is no such coding, and for one that is not `bytes` long: what is more than
 * Content-Length says would be read as the next response of the connection.
 */
export function decompress (body: Buffer, { coding, bytes }: { coding: Coding, bytes: number }): Transform {
  let left = bytes
  const exact = new Transform({
    transform (chunk: Buffer, _encoding, done) {
      left -= chunk.length
      if (left < 0) done(new Error('a stored body is longer than its entry says'))
      else done(null, chunk)
    },
    flush (done) { done(left === 0 ? null : new Error('a stored body is shorter than its entry says')) }
  })
  const stream = codec(coding).decompress()
  pipeline(stream, exact, () => {}) // who reads it hears of the fault
  stream.end(body)
  return exact
}

/** Whether this process can read the coding. */
export function canDecompress (coding: Coding): boolean {
  return CODECS[coding] !== undefined
}

function codec (coding: Coding): Codec {
  const found = CODECS[coding]
  if (found === undefined) throw new Error(`this version of Node has no ${coding}`)
  return found
}
