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
  request.raw.url = coveredUrl(request.raw.url, request.query as Record<string, unknown>)
  // `rewriteUrl` and middleware engines keep the URL as it came, where a handler finds it as `request.originalUrl`.
  const raw: { url?: string, originalUrl?: string } = request.raw
  if (raw.originalUrl !== undefined) raw.originalUrl = raw.url
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
  // Parsers of nested queries read `a[b]` and `a.b` as a part of `a`.
  return Object.hasOwn(covered, name) || Object.hasOwn(covered, name.split(/[[.]/, 1)[0]!)
}

function decode (text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text // no valid encoding: compared as it is, and so removed unless the parser kept it as it is
  }
}
