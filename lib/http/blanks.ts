/** Without the spaces and tabs around it (RFC 9110 section 5.6.3). `trim` takes more, such as a byte 160, which belongs to the value. */
export function withoutBlanks (text: string): string {
  let from = 0
  let to = text.length
  while (from < to && isBlank(text.charCodeAt(from))) from++
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--
  return text.slice(from, to)
}

function isBlank (code: number): boolean {
  return code === 0x20 || code === 0x09
}
