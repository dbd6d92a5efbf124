import { isField } from '../warming/hot-target.ts'
import { UsageError } from './exit.ts'

/** Header fields of lines such as `accept-language: de`. Errors name no values: they may be secret. */
export function headerFields (lines: readonly string[], option: string): Record<string, string> {
  return Object.fromEntries(lines.map((line) => {
    const at = line.indexOf(':')
    const [name, value] = [line.slice(0, Math.max(0, at)).trim().toLowerCase(), line.slice(at + 1).trim()]
    if (at < 1 || !isField(name, value)) throw new UsageError(`${option}: expected a header field such as 'accept-language: de', got ${at < 1 ? 'one without a name and a colon' : `one with the name ${JSON.stringify(name)}`}`)
    return [name, value]
  }))
}
