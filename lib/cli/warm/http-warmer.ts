import { once } from 'node:events'
import { request as requestHttp, type IncomingMessage } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { Outcome } from '../../warming/warming.ts'
import { faultText } from '../sources/redis-fault.ts'

export interface HttpWarmerOptions {
  readonly headers: Readonly<Record<string, string>>
  readonly timeoutMs: number
}

/** Requests a URL as a client does, to its end, and reads what the cache says of it. `fetch` would not send a `host` of ours. Never rejects. */
export async function warmByHttp (url: string, { headers, timeoutMs }: HttpWarmerOptions, signal: AbortSignal): Promise<Outcome> {
  const request = url.startsWith('https:') ? requestHttps : requestHttp
  try {
    const sent = request(url, { headers: { ...headers }, signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) })
    sent.on('error', () => {}) // one that comes behind the head of the response, which nobody else hears
    sent.end()
    const [response] = await once(sent, 'response') as [IncomingMessage]
    // What is not read to its end may not be stored.
    for await (const chunk of response) void chunk
    return outcomeOf(response)
  } catch (fault) {
    return { outcome: 'failed', reason: faultText(fault) }
  }
}

function outcomeOf ({ statusCode: status = 0, headers }: IncomingMessage): Outcome {
  const said = headers['x-cache']
  const detail = /;\s*detail=([\w-]+)[^,]*$/.exec([headers['cache-status']].flat().join(', '))?.[1]
  const because = detail === undefined ? '' : `: ${detail}`
  if (status >= 400) return { outcome: 'failed', reason: `answered with ${status}` }
  if (said === undefined) return { outcome: 'failed', reason: 'answered without the cache: by a guard, or a route that is not cached' }
  if (said === 'BYPASS') return { outcome: 'failed', reason: `the cache was not asked${because}` }
  if (said !== 'MISS') return { outcome: 'fresh' }
  return detail === undefined ? { outcome: 'filled' } : { outcome: 'failed', reason: `not stored${because}` }
}
