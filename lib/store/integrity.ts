import { createHmac, createSecretKey, hkdfSync, timingSafeEqual, type KeyObject } from 'node:crypto'

/** HMAC-SHA256. */
export const SIGNATURE_BYTES = 32

/** Whoever signs other texts with the same secret gives away no signature of a frame. */
const PURPOSE = 'fastify-response-cache: signatures of stored frames'

/**
 * Signs frames, so that who can write to Redis and does not know the secret can neither change what is stored nor move it to another key.
 *
 *   offset 0   frame        see `stored-entry.ts`
 *          …   signature    32 bytes, HMAC-SHA256 of: length of the name in 4 bytes, big-endian; the name in UTF-8; the frame
 *
 * The name is that of the Redis key as this cache gives it to the client, with the prefix. The key of the HMAC is made of the secret with
 * HKDF-SHA256. What has no signature, or a wrong one, is no frame; for who has no secret, a signed one is longer than it says.
 */
export class Integrity {
  readonly #keys: readonly KeyObject[]

  /** The first secret signs; what any of them has signed is read. Whether they are long enough is checked with the options. */
  constructor (secrets: readonly string[]) {
    this.#keys = secrets.map((secret) => createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', PURPOSE, SIGNATURE_BYTES))))
  }

  /** The frame with its signature behind it. */
  sign (name: string, frame: Buffer): Buffer {
    return Buffer.concat([frame, signature(this.#keys[0]!, name, frame)])
  }

  /** The frame that was signed under this name, or `undefined`. */
  open (name: string, signed: Buffer): Buffer | undefined {
    const end = signed.length - SIGNATURE_BYTES
    if (end < 0) return undefined
    const frame = signed.subarray(0, end)
    const found = signed.subarray(end)
    return this.#keys.some((key) => timingSafeEqual(signature(key, name, frame), found)) ? frame : undefined
  }
}

function signature (key: KeyObject, name: string, frame: Buffer): Buffer {
  const named = Buffer.from(`1234${name}`)
  named.writeUInt32BE(named.length - 4)
  return createHmac('sha256', key).update(named).update(frame).digest()
}
