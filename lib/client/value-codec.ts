import { deserialize, serialize } from 'node:v8'
import { InvalidValueError } from '../errors.ts'
import type { StoredValue } from '../stored-entry.ts'

type Encoded = Pick<StoredValue, 'encoding' | 'body'>

/**
 * A value as it is stored. Bytes stay bytes (and come back as a Buffer); everything else is a structured clone, so that
 * Date, Map, Set, BigInt and cycles come back as they were, and instances of classes as plain objects.
 */
export function encodeValueBody (key: string, value: unknown): Encoded {
  if (value === undefined) throw new InvalidValueError(key, 'undefined means "not there"; use delete() or null.')
  if (value instanceof Uint8Array) return { encoding: 'bytes', body: Buffer.from(value) }
  try {
    return { encoding: 'clone', body: serialize(value) }
  } catch (fault) {
    throw new InvalidValueError(key, `expected something the structured clone algorithm can copy; ${(fault as Error).message}`, { cause: fault })
  }
}

/** A fresh copy of the value, or `undefined` when this version of Node cannot read it. */
export function decodeValueBody ({ encoding, body }: Encoded): unknown {
  if (encoding === 'bytes') return Buffer.from(body)
  try {
    return deserialize(body)
  } catch {
    return undefined // written by a newer V8, or damaged: not there
  }
}
