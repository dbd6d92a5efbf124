/** What stands before the first wildcard of a glob: every text that it matches begins with this. */
export function literalHead (glob: string): string {
  let head = ''
  for (let at = 0; at < glob.length && glob[at] !== '*' && glob[at] !== '?'; at++) {
    if (glob[at] === '\\' && at + 1 < glob.length) at++
    head += glob[at]
  }
  return head
}
