import type { FastifyReply, FastifyRequest } from 'fastify'
import { CrossSiteError } from '../errors.ts'

/** The page runs its own files and talks to its own routes; nothing else, also if a text got into it as markup. */
const CONTENT_SECURITY_POLICY = [
  'default-src \'none\'',
  'script-src \'self\'',
  'style-src \'self\'',
  'img-src \'self\'',
  'connect-src \'self\'',
  'base-uri \'none\'',
  'form-action \'none\'',
  'frame-ancestors \'none\''
].join('; ')

/** Header fields of every answer, also of those that a guard gives. */
export const PROTECTING_FIELDS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY'
}

/**
 * Refuses what a page of another site sends with the cookies of somebody who is signed in here. Browsers say where a request comes from:
 * in `Sec-Fetch-Site`, or, without HTTPS, in `Origin`. Programs that are no browsers send neither. A link may lead to what only
 * shows something: the page it stands on cannot read it.
 */
export async function refuseCrossSite (request: FastifyRequest, reply: FastifyReply): Promise<void> {
  if (!isFromAnotherSite(request) || isFollowedLink(request)) return
  // CORS of the app is no word on these routes.
  for (const name of Object.keys(reply.getHeaders())) if (name.startsWith('access-control-')) reply.removeHeader(name)
  throw new CrossSiteError(request.host)
}

function isFromAnotherSite ({ headers, host }: FastifyRequest): boolean {
  const site = headers['sec-fetch-site']
  if (site !== undefined) return site !== 'same-origin' && site !== 'none'
  const { origin } = headers
  return origin !== undefined && !isOriginOf(origin, host)
}

/** `null`, the origin of sandboxed pages, is that of no host. Ports that the protocol has anyway may be left out. */
function isOriginOf (origin: string, host: string): boolean {
  if (!URL.canParse(origin)) return false
  const { host: theirs, protocol } = new URL(origin)
  return URL.canParse(`${protocol}//${host}`) && new URL(`${protocol}//${host}`).host === theirs
}

function isFollowedLink ({ headers, method }: FastifyRequest): boolean {
  return (method === 'GET' || method === 'HEAD') && headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document'
}
