import { Option } from 'commander'
import { setTimeout as sleep } from 'node:timers/promises'
import { FLEET_TIMES, type FleetTime } from '../../stats/fleet-stats.ts'
import { milliseconds } from '../arguments.ts'
import { watchSource, withSource, type Context, type Declare } from '../context.ts'
import type { Source } from '../sources/source.ts'
import { faultText } from '../sources/redis-fault.ts'
import { showStats, type ShownStats } from '../views/stats-view.ts'

interface StatsOptions {
  readonly last: FleetTime
  readonly watch?: boolean
  readonly interval: number
}

export const lastOption = (): Option => new Option('--last <time>', 'how far back').choices(FLEET_TIMES).default('1h')
export const intervalOption = (): Option => new Option('--interval <duration>', 'time between two looks').argParser(milliseconds(100, 3_600_000)).default(2000, '2s')

export const declareStats: Declare = (program, perform) => {
  program.command('stats')
    .description('what all processes have counted: hits, misses, reasons, response times, what is stored')
    .addOption(lastOption())
    .option('--watch', 'again and again, until Ctrl+C; with --json one line each')
    .addOption(intervalOption())
    .action(async (options: StatsOptions, command) => { await perform(command, async (context) => { await (options.watch === true ? watch : once)(context, options) }) })
}

async function once (context: Context, { last }: StatsOptions): Promise<void> {
  const { output } = context
  await withSource(context, async (source) => {
    const shown = await read(source, last)
    output.result(shown, () => { showStats(output, shown) })
  })
}

async function watch (context: Context, { last, interval }: StatsOptions): Promise<void> {
  const { io: { signal }, output } = context
  await watchSource(context, async (source) => {
    while (!signal.aborted) {
      try {
        const shown = await read(source, last)
        if (signal.aborted) return
        output.clear()
        output.event({ at: Date.now(), ...shown }, () => { showStats(output, shown) })
        if (!output.isTerminal && !output.isJson) output.line()
      } catch (fault) {
        if (!signal.aborted) output.error(faultText(fault)) // it may be there again at the next look
      }
      await sleep(interval, undefined, { signal }).catch(() => {}) // ended meanwhile
    }
  })
}

async function read (source: Source, last: FleetTime): Promise<ShownStats> {
  const [fleet, contents] = await Promise.all([source.fleet(last), source.sample()])
  return { source: source.name, last, fleet, contents }
}
