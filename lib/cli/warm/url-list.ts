import { createReadStream } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { bytesOf } from '../bounded-body.ts'
import { CommandError } from '../exit.ts'
import { faultText } from '../sources/redis-fault.ts'
import { parseSitemap } from './sitemap.ts'

/** What a sitemap may have, by its definition. */
const MOST_BYTES = 50 * 1024 * 1024
const MOST_SITEMAPS = 100
const LONGEST_BLANK = 1000

export interface UrlListOptions {
  /** Sent with requests for sitemaps. */
  readonly headers: Readonly<Record<string, string>>
  readonly timeoutMs: number
  readonly signal: AbortSignal
  /** URLs at most. */
  readonly most: number
  readonly onNote: (text: string) => void
}

export interface UrlList {
  readonly urls: readonly string[]
  /** The origin that sitemaps were read from. They may name any other, which is not theirs to say. */
  readonly site: string | undefined
}

/** URLs and paths of a file, one a line, or of a sitemap, which may name others. Errors: `CommandError`. */
export async function urlList (where: string, options: UrlListOptions): Promise<UrlList> {
  const urls = new Set<string>()
  const isRemote = /^https?:\/\//i.test(where)
  const queue = [where]
  let site = originOf(where)
  for (let read = 0; read < queue.length && urls.size < options.most; read++) {
    options.signal.throwIfAborted()
    const text = isRemote || read > 0 ? await fetched(queue[read]!, options) : await fileText(where, options.signal)
    const sitemap = parseSitemap(text, options.most)
    const found = sitemap?.kind === 'index' ? [] : sitemap?.locations ?? linesOf(text, queue[read]!)
    for (const url of found) if (urls.size < options.most) urls.add(url)
    if (sitemap?.kind !== 'index') continue
    site ??= sitemap.locations.map(originOf).find((origin) => origin !== undefined)
    queue.push(...followed(sitemap.locations, queue, { site, onNote: options.onNote }))
  }
  return { urls: [...urls], site }
}

/** The sitemaps of an index: those of its own site, each once. */
function followed (locations: readonly string[], queue: readonly string[], { site, onNote }: { site: string | undefined, onNote: (text: string) => void }): string[] {
  const wanted = [...new Set(locations)].filter((url) => !queue.includes(url))
  const own = wanted.filter((url) => originOf(url) === site && site !== undefined)
  if (own.length < wanted.length) onNote(`${wanted.length - own.length} ${wanted.length - own.length === 1 ? 'sitemap of another site is' : 'sitemaps of other sites are'} left out`)
  const room = Math.max(0, MOST_SITEMAPS - queue.length)
  if (own.length > room) onNote(`${own.length - room} sitemaps are left out: ${MOST_SITEMAPS} are read at most`)
  return own.slice(0, room)
}

export function originOf (url: string): string | undefined {
  return /^https?:\/\//i.test(url) && URL.canParse(url) ? new URL(url).origin : undefined
}

async function fetched (url: string, { headers, timeoutMs, signal }: UrlListOptions): Promise<string> {
  try {
    const response = await fetch(url, { headers, redirect: 'manual', signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) })
    if (response.status !== 200) throw new CommandError(`expected 200, got ${response.status}${response.status >= 300 && response.status < 400 ? `, to ${response.headers.get('location') ?? 'nowhere'}` : ''}`)
    return textOf(await bytesOf(response.body ?? [], MOST_BYTES))
  } catch (fault) {
    throw new CommandError(`cannot read ${url}: ${faultText(fault)}`)
  }
}

/** A pipe has no size, and a device may have no end. */
async function fileText (path: string, signal: AbortSignal): Promise<string> {
  try {
    return textOf(await bytesOf(createReadStream(path, { signal }), MOST_BYTES))
  } catch (fault) {
    throw new CommandError(`cannot read the file "${path}": ${faultText(fault)}`)
  }
}

/** Sitemaps are often kept compressed, whatever the server says of them. */
function textOf (bytes: Buffer): string {
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b
  return (isGzip ? gunzipSync(bytes, { maxOutputLength: MOST_BYTES }) : bytes).toString('utf8')
}

function linesOf (text: string, where: string): string[] {
  const list = text.replace(/^\ufeff/, '')
  if (/^\s*</.test(list.slice(0, LONGEST_BLANK))) throw new CommandError(`cannot read "${where}": expected a sitemap, which has the element <urlset> or <sitemapindex>, or a URL in each line`)
  return list.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'))
}
