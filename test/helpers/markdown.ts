/** A link of a Markdown file to another place of the project. */
export interface Link {
  line: number
  /** `keys.md#leases`, as it is written. */
  target: string
}

/** Links and images that are not to other sites, without those in code. */
export function linksOf (markdown: string): Link[] {
  const text = withoutCode(markdown)
  return [...text.matchAll(/\]\(([^()\s]+)\)/g)].flatMap(({ 1: target = '', index }) => {
    return /^[a-z]+:/.test(target) ? [] : [{ line: text.slice(0, index).split('\n').length, target }]
  })
}

/** What can stand behind a `#`: headings, as GitHub names them, and `<a id="…">`. */
export function anchorsOf (markdown: string): ReadonlySet<string> {
  const anchors = new Set([...markdown.matchAll(/<a id="([^"]+)">/g)].map(([, id]) => id!))
  const counts = new Map<string, number>()
  for (const [, heading = ''] of withoutBlocks(markdown).matchAll(/^#{1,6} (.+)$/gm)) {
    const name = nameOf(heading)
    const before = counts.get(name) ?? 0
    counts.set(name, before + 1)
    anchors.add(before === 0 ? name : `${name}-${before}`)
  }
  return anchors
}

function nameOf (heading: string): string {
  const text = heading.trim().replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
  return text.toLowerCase().replaceAll(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-')
}

/** Lines stay where they are. */
function withoutBlocks (markdown: string): string {
  return markdown.replaceAll(/^( *)(`{3,})[^\n]*\n[\s\S]*?^\1\2$/gm, (block) => block.replaceAll(/[^\n]/g, ''))
}

function withoutCode (markdown: string): string {
  return withoutBlocks(markdown).replaceAll(/(`+)(?!`)[^\n]*?(?<!`)\1(?!`)/g, '')
}
