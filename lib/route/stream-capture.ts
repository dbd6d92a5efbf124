import { Readable, Transform, pipeline } from 'node:stream'

/**
 * Passes a stream on as it comes and keeps a copy aside. `onComplete` receives the body when the stream ended by itself and
 * fitted into `maxBytes`; a stream that breaks, or whose client goes away, is forgotten.
 */
export function captureStream (source: Readable, { maxBytes, onComplete }: {
  maxBytes: number
  onComplete: (body: Buffer) => void
}): Readable {
  let chunks: Buffer[] | undefined = []
  let bytes = 0
  const passOn = new Transform({
    transform (chunk: Buffer, _encoding, callback) {
      bytes += chunk.length
      if (bytes > maxBytes) chunks = undefined
      chunks?.push(chunk)
      callback(null, chunk)
    },
    flush (callback) {
      if (chunks !== undefined) onComplete(Buffer.concat(chunks, bytes))
      callback()
    }
  })
  // A fault destroys both ends, and Fastify handles that of the one it was given.
  pipeline(source, passOn, () => { chunks = undefined })
  return passOn
}

/** A stream of Node in place of one of the web, which has the same content; `undefined` for what is no stream. */
export function toNodeStream (payload: unknown): Readable | undefined {
  if (payload instanceof Readable) return payload
  if (payload instanceof ReadableStream) return Readable.fromWeb(payload as Parameters<typeof Readable.fromWeb>[0])
  const legacy = payload as { pipe?: unknown, on?: unknown } | null
  return typeof legacy?.pipe === 'function' && typeof legacy.on === 'function' ? wrapLegacy(payload as NodeJS.ReadableStream) : undefined
}

/** A stream of the time before streams could be destroyed ends with the one that reads it, if it can. */
function wrapLegacy (stream: NodeJS.ReadableStream & { destroy?: () => void }): Readable {
  const readable = new Readable({
    destroy (fault, callback) {
      stream.destroy?.()
      callback(fault)
    }
  })
  return readable.wrap(stream)
}
