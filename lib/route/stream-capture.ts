import { finished, Readable } from 'node:stream'

/** What a stream turned out to be. */
export type Captured = { readonly body: Buffer } | 'too-large' | 'broken'

/**
 * Passes a stream on as it comes and keeps a copy aside. `onEnd` hears once what it was: the body when the stream ended by itself and
 * fitted into `maxBytes`. While it may fit it is read ahead of a client that is slow, where others may wait for it, in whichever process. When the client goes away,
 * the rest is read if others wait, for `lingerMs` at most.
 */
export function captureStream (source: Readable, { maxBytes, lingerMs, readsAhead, isAwaited, onEnd }: {
  maxBytes: number
  lingerMs: number
  readsAhead: boolean
  isAwaited: () => boolean
  onEnd: (captured: Captured) => void
}): Readable {
  let chunks: Buffer[] | undefined = []
  let bytes = 0
  let linger: NodeJS.Timeout | undefined
  const end = (captured: Captured): void => {
    clearTimeout(linger)
    if (chunks === undefined) return
    chunks = undefined
    onEnd(captured)
  }
  // First: a source may end like one that is whole when it is destroyed.
  const giveUp = (): void => {
    end('broken')
    source.destroy()
  }
  const passOn = new Readable({
    read () { source.resume() },
    destroy (fault, callback) {
      if (chunks !== undefined && !source.destroyed && isAwaited()) {
        linger = setTimeout(giveUp, lingerMs).unref()
        source.resume()
      } else giveUp()
      callback(fault)
    }
  })
  source.on('data', (chunk: Buffer | string) => {
    const part = typeof chunk === 'string' ? Buffer.from(chunk, source.readableEncoding ?? 'utf8') : chunk
    bytes += part.length
    if (bytes > maxBytes) end('too-large')
    chunks?.push(part)
    if (!passOn.destroyed) {
      if (!passOn.push(part) && !(readsAhead && chunks !== undefined)) source.pause()
    } else if (chunks === undefined) source.destroy()
  })
  source.pause()
  // Also of a source that has broken before it came here.
  finished(source, { writable: false }, (fault) => {
    if (fault === undefined || fault === null) {
      passOn.push(null)
      if (chunks !== undefined) end({ body: Buffer.concat(chunks, bytes) })
      return
    }
    end('broken')
    passOn.destroy(fault)
  })
  source.on('error', () => {}) // said above; one that comes later has nobody to hear it
  return passOn
}

/** What is sent to nobody: of a stream, the copy that is kept aside is all that counts, as long as it may be stored. */
export function drain (payload: unknown, isStored: Promise<boolean>): void {
  if (!(payload instanceof Readable)) return
  payload.on('error', () => {}).resume() // the recorder hears of it
  void isStored.then((stored) => { if (!stored) payload.destroy() })
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
