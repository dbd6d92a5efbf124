/*
 * Sitemaps (sitemaps.org) are XML of a fixed and simple form: what counts are the texts of the elements `loc`, and whether they name pages or
 * other sitemaps. Nothing of XML that could be large or reach for other files (entities of its own, inclusions) is followed.
 */

export interface Sitemap {
  readonly kind: 'pages' | 'index'
  readonly locations: readonly string[]
}

/** Longer ones no server takes. */
const LONGEST_URL = 2048
/** With entities and blanks. */
const LONGEST_TEXT = 4 * LONGEST_URL
/** Before the first element are a declaration and the like. */
const LONGEST_HEAD = 2000

const ROOT = /^\ufeff?\s*(?:<\?[^>]*>\s*)*<(urlset|sitemapindex)[\s>]/
const LITERAL = /^<!\[CDATA\[([^\]<]*)\]\]>$/

/** Undefined for what is no sitemap. At most so many locations. Takes time by its length only, whatever is in it. */
export function parseSitemap (xml: string, most: number): Sitemap | undefined {
  const text = [...outside(xml, '<!--', '-->')].join('')
  const [, root] = ROOT.exec(text.slice(0, LONGEST_HEAD)) ?? []
  if (root === undefined) return undefined
  const locations: string[] = []
  // `<image:loc>` and others with a prefix name no pages.
  for (const inner of inside(text, '<loc>', '</loc>')) {
    if (locations.length >= most) break
    const location = inner.length > LONGEST_TEXT ? undefined : locationOf(inner.trim())
    if (location !== undefined && location !== '' && location.length <= LONGEST_URL) locations.push(location)
  }
  return { kind: root === 'urlset' ? 'pages' : 'index', locations }
}

function locationOf (text: string): string | undefined {
  const literal = LITERAL.exec(text)?.[1]
  if (literal !== undefined) return literal.trim()
  return text.includes('<') ? undefined : decoded(text)
}

/** What stands between each beginning and the next end. */
function * inside (text: string, beginning: string, end: string): Generator<string, void> {
  for (let at = text.indexOf(beginning); at !== -1;) {
    const to = text.indexOf(end, at)
    if (to === -1) return
    yield text.slice(at + beginning.length, to)
    at = text.indexOf(beginning, to)
  }
}

/** The rest. Without an end it goes on to the end of the text. */
function * outside (text: string, beginning: string, end: string): Generator<string, void> {
  for (let from = 0; from !== -1;) {
    const at = text.indexOf(beginning, from)
    yield text.slice(from, at === -1 ? undefined : at)
    const to = at === -1 ? -1 : text.indexOf(end, at + beginning.length)
    from = to === -1 ? -1 : to + end.length
  }
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function decoded (text: string): string {
  return text.replace(/&(?:(amp|lt|gt|quot|apos)|#(\d{1,7})|#x([0-9a-f]{1,6}));/gi, (whole, name?: string, decimal?: string, hex?: string) => {
    if (name !== undefined) return ENTITIES[name.toLowerCase()]!
    const code = decimal === undefined ? Number.parseInt(hex!, 16) : Number(decimal)
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole
  })
}
