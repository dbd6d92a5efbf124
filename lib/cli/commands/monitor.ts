import { watchSource, type Context, type Declare } from '../context.ts'
import type { LiveEvent, RequestsEvent } from '../sources/live-event.ts'
import type { Output } from '../output.ts'
import { count, timeOfDay } from '../units.ts'
import { intervalOption } from './stats.ts'

export const declareMonitor: Declare = (program, perform) => {
  program.command('monitor')
    .description('hits, misses and invalidations as they happen, until Ctrl+C; with --json one line each')
    .addOption(intervalOption())
    .action(async (options: { interval: number }, command) => { await perform(command, async (context) => { await monitor(context, options) }) })
}

async function monitor (context: Context, { interval }: { readonly interval: number }): Promise<void> {
  const { io, output } = context
  await watchSource(context, async (source) => {
    output.note(`${source.name}: waiting for requests and invalidations. Ctrl+C ends it.`)
    const options = { signal: io.signal, everyMs: interval, onNote: (text: string) => { output.note(text) } }
    for await (const event of source.live(options)) output.event(event, () => { show(output, event) })
  })
}

function show (output: Output, event: LiveEvent): void {
  if (event.kind === 'requests') return output.line(`${timeOfDay(event.at)}  ${event.route}  ${countsOf(event)}`)
  output.line(`${timeOfDay(event.at)}  invalidated${event.soft ? ' softly' : ''}: ${event.targets.join(', ')}`)
}

const WORDS = [['hits', 'hit', 'hits'], ['stale', 'stale', 'stale'], ['misses', 'miss', 'misses'], ['bypasses', 'bypass', 'bypasses'], ['refused', 'refused', 'refused']] as const

function countsOf (event: RequestsEvent): string {
  return WORDS.filter(([name]) => event[name] > 0).map(([name, one, many]) => `${count(event[name])} ${event[name] === 1 ? one : many}`).join(', ')
}
