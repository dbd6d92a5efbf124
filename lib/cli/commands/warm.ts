import { Option } from 'commander'
import { isPath } from '../../warming/hot-target.ts'
import { ProgressBar } from '../../warming/progress-bar.ts'
import { DEFAULT_CONCURRENCY } from '../../warming/warm-options.ts'
import { warmAll, type Outcome, type SingleTarget, type WarmReport } from '../../warming/warming.ts'
import { milliseconds, several, wholeNumber } from '../arguments.ts'
import type { Context, Declare } from '../context.ts'
import { EXIT, UsageError } from '../exit.ts'
import { isDrawable } from '../style.ts'
import { headerFields } from '../header-fields.ts'
import { AdminSource } from '../sources/admin-source.ts'
import { count } from '../units.ts'
import { warmByHttp } from '../warm/http-warmer.ts'
import { originOf, urlList } from '../warm/url-list.ts'

interface WarmCommandOptions {
  readonly base?: string
  readonly header?: readonly string[]
  readonly concurrency: number
  readonly limit: number
  readonly requestTimeout: number
}

const MOST_CONCURRENT = 64
const SHOWN_FAILURES = 20

export const declareWarm: Declare = (program, perform) => {
  program.command('warm')
    .description('fills the cache: requests URLs from outside, or has the app do it with --admin')
    .argument('<list>', 'a file with a URL or path in each line, or a sitemap: its file or its URL')
    .option('--base <url>', 'where the app is, as its clients see it: https://HOST')
    .option('--header <field>', 'of every request; several times for several', several)
    .addOption(new Option('--concurrency <number>', 'so many at a time').argParser(wholeNumber(1, MOST_CONCURRENT)).default(DEFAULT_CONCURRENCY))
    .addOption(new Option('--limit <number>', 'URLs at most').argParser(wholeNumber(1, 1_000_000)).default(50_000))
    .addOption(new Option('--request-timeout <duration>', 'how long a URL may take').argParser(milliseconds(1, 600_000)).default(30_000, '30s'))
    .action(async (list: string, options: WarmCommandOptions, command) => { await perform(command, async (context) => await warm(context, list, options)) })
}

async function warm (context: Context, list: string, options: WarmCommandOptions): Promise<number> {
  const { io, output, places } = context
  const headers = headerFields(options.header ?? [], '--header')
  const base = baseOf(options.base)
  // Header fields are for the app. Where it is known, another site gets none of them.
  const isOfApp = base === undefined ? places.admin === undefined : originOf(list) === base
  const { urls, site } = await urlList(list, { headers: isOfApp ? headers : {}, timeoutMs: options.requestTimeout, signal: io.signal, most: options.limit, onNote: (text) => { output.note(text) } })
  const fill = fillOf(context, urls, { base, site, headers, timeoutMs: options.requestTimeout })
  const bar = isDrawable(io.stderr, io.env) ? new ProgressBar(io.stderr) : undefined
  const report = await warmAll({ total: urls.length, targets: targetsOf(urls) }, {
    concurrency: options.concurrency,
    signal: io.signal,
    onProgress: (progress) => { bar?.update(progress) },
    fill
  }).finally(() => { bar?.erase() })
  const failures = report.failures.map(({ target, reason }) => ({ target: output.withoutSecrets(target), reason: output.withoutSecrets(reason) }))
  output.result({ ...report, failures }, () => { show(context, { ...report, failures }) })
  return report.failed === 0 ? EXIT.ok : EXIT.failed
}

type Fill = (target: SingleTarget, signal: AbortSignal) => Promise<Outcome>

/** How URLs are warmed. Header fields, which may be credentials, go to one origin only. */
function fillOf ({ places: { admin } }: Context, urls: readonly string[], { base, site, headers, timeoutMs }: { base: string | undefined, site: string | undefined, headers: Record<string, string>, timeoutMs: number }): Fill {
  if (base === undefined && admin !== undefined) {
    const source = new AdminSource(admin)
    return ofUrl(async (url) => await source.warm(pathOf(url), headers))
  }
  const origin = base ?? site ?? urls.map(originOf).find((found) => found !== undefined)
  if (origin === undefined && urls.length > 0) throw new UsageError('warm: expected --base https://HOST, where the app is, or --admin: the list has paths only')
  return ofUrl(async (url, signal) => {
    const own = originOf(url)
    if (base === undefined && own !== undefined && own !== origin) return { outcome: 'failed', reason: `expected a URL of ${origin}, as ${site === undefined ? 'the first one' : 'the sitemap'}: say --base to request all paths there` }
    const path = pathOf(url)
    return isPath(path) ? await warmByHttp(`${origin}${path}`, { headers, timeoutMs }, signal) : { outcome: 'failed', reason: 'expected a URL, or a path such as /users/1' }
  })
}

function ofUrl (fill: (url: string, signal: AbortSignal) => Promise<Outcome>): Fill {
  return async (target, signal) => await fill(target.kind === 'url' ? target.url : target.key, signal)
}

function baseOf (text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const url = originOf(text) === undefined ? undefined : new URL(text)
  if (url === undefined || url.pathname !== '/' || url.search !== '' || url.username !== '' || url.password !== '') throw new UsageError('--base: expected the origin of the app, such as https://HOST or http://127.0.0.1:3000')
  return url.origin
}

/** Path and query, in the characters of a request line. */
function pathOf (url: string): string {
  const whole = originOf(url) !== undefined ? url : url.startsWith('/') ? `http://localhost${url}` : undefined
  if (whole === undefined || !URL.canParse(whole)) return url
  const { pathname, search } = new URL(whole)
  return `${pathname}${search}`
}

async function * targetsOf (urls: readonly string[]): AsyncGenerator<SingleTarget, void> {
  for (const url of urls) yield { kind: 'url', url, headers: {} }
}

function show ({ output }: Context, { filled, fresh, failed, failures }: WarmReport): void {
  output.line(`Warmed ${count(filled + fresh + failed)}: ${count(filled)} filled, ${count(fresh)} fresh, ${count(failed)} failed`)
  if (failures.length === 0) return
  output.line()
  output.table(['failed', 'why'], failures.slice(0, SHOWN_FAILURES).map(({ target, reason }) => [target, reason]))
  if (failed > SHOWN_FAILURES) output.note(`and ${count(failed - SHOWN_FAILURES)} more; --json has the first ${count(failures.length)}`)
}
