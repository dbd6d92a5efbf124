import type { FastifyReply } from 'fastify'

/** Bytes of our own: the handler may go on writing into its Buffer, and small Buffers share one larger piece of memory. */
export function ownCopy (payload: string | Buffer | null): Buffer {
  if (payload === null) return Buffer.alloc(0)
  const copy = Buffer.allocUnsafeSlow(Buffer.byteLength(payload))
  if (typeof payload === 'string') copy.write(payload)
  else payload.copy(copy)
  return copy
}

/** A `Response` sets status and header fields as Fastify would do a moment later; its body is what is sent. */
export function unwrapResponse (reply: FastifyReply, payload: unknown): unknown {
  if (!(payload instanceof Response) || payload.bodyUsed) return payload
  reply.code(payload.status)
  for (const [name, value] of payload.headers) reply.header(name, value)
  return payload.body
}
