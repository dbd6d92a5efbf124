import { createHash } from 'node:crypto'

/*
 * What was flipped on its way to us may look like something else that could have been said. An entry has its own checksum; with marks,
 * one that is read wrongly is one that is never heard of. TCP finds most of it, TLS all.
 */

/** In a script: `summed(reply)` puts a checksum in front of a list of texts. */
export const SUMMED = `
local function sumOf (texts) return redis.sha1hex(table.concat(texts, '\\n')) end
local function summed (texts)
  table.insert(texts, 1, sumOf(texts))
  return texts
end
`

export function sumOf (texts: readonly string[]): string {
  return createHash('sha1').update(texts.join('\n')).digest('hex')
}

/** The list that a script has put a checksum in front of. Throws when it is another one. */
export function withoutSum (reply: unknown): string[] {
  const [sum, ...texts] = Array.isArray(reply) ? reply.map(String) : []
  if (sum !== sumOf(texts)) throw new TypeError('what Redis answered was damaged on its way')
  return texts
}

/** The JSON of a message that a script has put a checksum in front of; undefined when it is another one. */
export function jsonOf (message: string): string | undefined {
  const at = message.indexOf(' ')
  const json = message.slice(at + 1)
  return message.slice(0, at) === sumOf([json]) ? json : undefined
}
