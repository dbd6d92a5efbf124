/** A fenced block of a Markdown file. */
export interface Snippet {
  /** `README.md:12`, the line of the fence. */
  at: string
  language: string
  /** The words after the language. */
  words: string[]
  text: string
}

export function findSnippets (file: string, markdown: string): Snippet[] {
  const snippets: Snippet[] = []
  let open: { fence: string, indent: string, snippet: Snippet, lines: string[] } | undefined
  for (const [index, line] of markdown.split('\n').entries()) {
    const [, indent = '', fence, info = ''] = /^(\s*)(`{3,})(.*)$/.exec(line) ?? []
    if (open === undefined && fence !== undefined) {
      const [language = '', ...words] = info.trim().split(/\s+/)
      open = { fence, indent, lines: [], snippet: { at: `${file}:${index + 1}`, language, words, text: '' } }
    } else if (open !== undefined && fence !== undefined && fence.length >= open.fence.length && info.trim() === '') {
      snippets.push({ ...open.snippet, text: open.lines.join('\n') + '\n' })
      open = undefined
    } else if (open !== undefined) {
      open.lines.push(line.startsWith(open.indent) ? line.slice(open.indent.length) : line)
    }
  }
  if (open !== undefined) throw new Error(`${open.snippet.at}: this block does not end`)
  return snippets
}
