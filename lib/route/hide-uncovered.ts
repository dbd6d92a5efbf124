import type { FastifyRequest } from 'fastify'
import type { RoutePolicy } from '../options/policy.ts'
import { coveredQuery } from './admission.ts'

/**
 * Takes from the request what the key does not cover, so that the handler cannot read it: parameters that the route's list
 * leaves out, and in the URL also those that validation removed. Otherwise a parameter that selects nothing could get into a
 * response that others receive.
 */
export function hideUncovered (request: FastifyRequest, policy: RoutePolicy): void {
  if (policy.key !== undefined) return
  if (policy.query !== 'all') request.query = coveredQuery(request.query, policy.query)
  const raw: { url?: string, originalUrl?: string } = request.raw
  const url = coveredUrl(raw.url, request.query as Record<string, unknown>)
  if (url === raw.url && (raw.originalUrl ?? url) === url) return
  raw.url = url
  // `rewriteUrl` and middleware engines keep the URL as it came, and Fastify keeps it once a hook has read it.
  if (raw.originalUrl !== undefined) raw.originalUrl = url
  Object.defineProperty(request, 'originalUrl', { value: url })
}

function coveredUrl (url: string | undefined, covered: Record<string, unknown>): string | undefined {
  const at = url?.indexOf('?') ?? -1
  if (url === undefined || at === -1) return url
  const pairs = url.slice(at + 1).split('&')
  const kept = pairs.filter((pair) => isCovered(pair, covered))
  if (kept.length === pairs.length) return url
  return kept.length === 0 ? url.slice(0, at) : `${url.slice(0, at + 1)}${kept.join('&')}`
}

function isCovered (pair: string, covered: Record<string, unknown>): boolean {
  const name = decode(pair.split('=', 1)[0]!)
  if (Object.hasOwn(covered, name)) return true
  // Parsers of nested queries read `a[b]` and `a.b` as a part of `a`; the key then has the query as sent, too.
  const whole = name.split(/[[.]/, 1)[0]!
  return Object.hasOwn(covered, whole) && typeof covered[whole] === 'object'
}

function decode (text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text // no valid encoding: compared as it is, and so removed unless the parser kept it as it is
  }
}
