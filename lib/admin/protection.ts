import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
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
  'frame-ancestors \'none\'',
  // No script makes markup of a text.
  'require-trusted-types-for \'script\'',
  'trusted-types \'none\''
].join('; ')

/** Header fields of every answer, also of those that a guard gives. */
const PROTECTING_FIELDS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY'
}

/** Marks a reply that somebody answers. */
const kAnswered = Symbol('fastify-response-cache.answered')

type Answering = FastifyReply & { [kAnswered]?: boolean }

/**
 * The first hook. Fastify goes on behind an async guard that answers without giving its reply back, if anything of the app still works on the
 * answer: then it is not sent yet. So it is noticed who has begun to.
 */
export function protect (_request: FastifyRequest, reply: Answering, done: HookHandlerDoneFunction): void {
  reply.headers(PROTECTING_FIELDS)
  const { send } = reply
  reply.send = function (this: Answering, ...args) {
    this[kAnswered] = true
    return send.apply(this, args)
  }
  done()
}

/** Behind the guards: who is answered comes no further. */
export function stopWhenAnswered (_request: FastifyRequest, reply: Answering, done: HookHandlerDoneFunction): void {
  if (reply[kAnswered] !== true) done()
}

/** What the app allows to pages of other sites is no word on these routes. */
export function withoutCors (_request: FastifyRequest, reply: FastifyReply, _payload: unknown, done: HookHandlerDoneFunction): void {
  for (const name of Object.keys(reply.getHeaders())) if (name.startsWith('access-control-')) reply.removeHeader(name)
  done()
}

/**
 * Refuses what a page of another site sends with the cookies of somebody who is signed in here. Browsers say where a request comes from:
 * in `Sec-Fetch-Site`, or, without HTTPS, in `Origin`. Programs that are no browsers send neither. A link may lead to what only
 * shows something: the page it stands on cannot read it.
 */
export async function refuseCrossSite (request: FastifyRequest): Promise<void> {
  if (!isFromAnotherSite(request) || isFollowedLink(request)) return
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
