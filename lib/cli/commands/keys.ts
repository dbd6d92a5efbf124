import { Option } from 'commander'
import { wholeNumber } from '../arguments.ts'
import { withSource, type Context, type Declare } from '../context.ts'
import { right, type Output } from '../output.ts'
import type { Listed, Source } from '../sources/source.ts'
import { stateCell } from '../views/entry-view.ts'
import { bytes, count, NONE, seconds } from '../units.ts'

interface KeysOptions {
  readonly namespace?: string
  readonly match?: string
  readonly limit: number
}

const PAGE = 1000
/** Among many keys of others a page may be empty. */
const MOST_PAGES = 10_000

export const declareKeys: Declare = (program, perform) => {
  program.command('keys')
    .description('what is stored, in no order')
    .option('--namespace <name>', 'only of this namespace')
    .option('--match <glob>', 'only keys that match: \'user:123:*\'')
    .addOption(new Option('--limit <number>', 'entries at most').argParser(wholeNumber(1, 100_000)).default(100))
    .action(async (options: KeysOptions, command) => { await perform(command, async (context) => { await keys(context, options) }) })
}

async function keys (context: Context, options: KeysOptions): Promise<void> {
  const { io, output } = context
  await withSource(context, async (source) => {
    const found = await entriesOf(source, options, io.signal)
    output.result({ source: source.name, ...found }, () => {
      if (found.entries.length === 0) output.line('No such entries.')
      else showEntries(output, found.entries)
    })
    if (!found.isComplete) output.note(`There may be more than these ${count(found.entries.length)}: --limit`)
  })
}

/** Each entry once, however often it is met. */
async function entriesOf (source: Source, { namespace, match, limit }: KeysOptions, signal: AbortSignal): Promise<{ entries: Listed[], isComplete: boolean }> {
  const met = new Map<string, Listed>()
  let cursor: string | undefined
  for (let pages = 0; pages < MOST_PAGES; pages++) {
    signal.throwIfAborted()
    const page = await source.entries({ namespace, match, cursor, limit: Math.min(PAGE, limit) })
    for (const entry of page.entries) met.set(entry.key, entry)
    cursor = page.cursor
    if (cursor === undefined || met.size >= limit) break
  }
  return { entries: [...met.values()].slice(0, limit), isComplete: cursor === undefined && met.size <= limit }
}

function showEntries (output: Output, entries: readonly Listed[]): void {
  output.table(['key', 'kind', 'state', right('fresh for'), right('goes in'), right('bytes'), right('status'), 'tags'], entries.map((entry) => [
    entry.isPerUser ? `${entry.key} (per user)` : entry.key, entry.kind, stateCell(entry.state), seconds(entry.state === 'invalidated' ? undefined : entry.freshFor), seconds(entry.ttl), bytes(entry.bytes),
    entry.status === undefined ? NONE : String(entry.status), entry.tags.join(', ')
  ]))
}
