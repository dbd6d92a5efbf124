import { inspect } from 'node:util'
import * as zlib from 'node:zlib'
import type { Transform } from 'node:stream'
import { decodeValueBody } from '../client/value-codec.ts'
import type { Entry, StoredResponse } from '../stored-entry.ts'

/** What Node has since 22.15. */
const { createZstdDecompress } = zlib as { createZstdDecompress?: () => Transform }

const DECODERS: Readonly<Record<string, (() => Transform) | undefined>> = {
  br: () => zlib.createBrotliDecompress(),
  gzip: () => zlib.createUnzip(),
  deflate: () => zlib.createUnzip(),
  zstd: createZstdDecompress
}

/** In what coding the body of a response is stored: by this cache, or by the handler. */
export function codingOf ({ coded, headers }: Pick<StoredResponse, 'coded' | 'headers'>): string | undefined {
  const field = headers.find(([name]) => name === 'content-encoding')?.[1]
  return coded?.coding ?? (field === undefined ? undefined : String(field).toLowerCase())
}

/**
 * So many bytes of a body at most, decoded where this version of Node can: no more than that is decoded, however large it would be. A value
 * that is no bytes is written down as `util.inspect` does.
 */
export async function bodyStart (entry: Entry, most: number): Promise<Buffer> {
  if (entry.kind === 'value') return valueStart(entry, most)
  const coding = entry.kind === 'response' ? codingOf(entry) : undefined
  const decoder = coding === undefined || !Object.hasOwn(DECODERS, coding) ? undefined : DECODERS[coding]
  return decoder === undefined ? Buffer.from(entry.body.subarray(0, most)) : await decodedStart(entry.body, decoder(), most)
}

function valueStart (value: Extract<Entry, { kind: 'value' }>, most: number): Buffer {
  if (value.encoding === 'bytes') return Buffer.from(value.body.subarray(0, most))
  const text = inspect(decodeValueBody(value), { depth: 6, maxArrayLength: 100, maxStringLength: most, breakLength: 100 })
  return Buffer.from(text.slice(0, most)).subarray(0, most)
}

async function decodedStart (body: Buffer, decoder: Transform, most: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    decoder.end(body)
    for await (const chunk of decoder as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes >= most) break
    }
  } catch {
    // Not what it says it is: as much as could be decoded.
  }
  return Buffer.concat(chunks).subarray(0, most)
}
