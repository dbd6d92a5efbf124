import type { Explanation, ExplainedRequest } from '../../client/explanation.ts'
import { several } from '../arguments.ts'
import { withApp, type Context, type Declare } from '../context.ts'
import { UsageError } from '../exit.ts'
import { headerFields } from '../header-fields.ts'
import type { Output } from '../output.ts'
import { factsOf } from '../views/entry-view.ts'

interface ExplainOptions {
  readonly method?: string
  readonly header?: readonly string[]
  readonly body?: string
  readonly against?: string
  readonly againstHeader?: readonly string[]
}

export const declareExplain: Declare = (program, perform) => {
  program.command('explain')
    .description('what the cache would do with a request, and why; needs --admin')
    .argument('<url>', 'a path such as \'/users/1?sort=name\', or a whole URL')
    .option('--method <method>', 'of the request (default: GET)')
    .option('--header <field>', 'of the request, such as \'accept-language: de\'; several times for several', several)
    .option('--body <text>', 'of the request, of a route with varyByBody')
    .option('--against <url>', 'a second request: in what do their keys differ?')
    .option('--against-header <field>', 'of the second request (default: those of the first)', several)
    .action(async (url: string, options: ExplainOptions, command) => { await perform(command, async (context) => { await explain(context, url, options) }) })
}

async function explain (context: Context, url: string, { method, header = [], body, against, againstHeader }: ExplainOptions): Promise<void> {
  if (againstHeader !== undefined && against === undefined) throw new UsageError('--against-header: expected --against as well, the URL of the second request')
  const { output } = context
  await withApp(context, 'explain', async (app) => {
    const rest = { ...method === undefined ? {} : { method }, ...body === undefined ? {} : { body } }
    const first: ExplainedRequest = { url, ...rest, headers: headerFields(header, '--header') }
    const second = against === undefined ? undefined : { url: against, ...rest, headers: headerFields(againstHeader ?? header, '--against-header') }
    const explanation = await app.explain(first, second)
    output.result(explanation, () => { show(output, explanation) })
  })
}

function show (output: Output, explanation: Explanation): void {
  showOne(output, explanation)
  if (explanation.other !== undefined) {
    output.line()
    showOne(output, explanation.other)
  }
  const { differences } = explanation
  if (differences === undefined) return
  output.line()
  if (differences.length === 0) output.line('Both have the same key: they share their response.')
  else output.table(['differs in', 'first', 'second'], differences.map(({ part, first, second }) => [part, first, second]))
}

function showOne (output: Output, { method, url, isCached, outcome, reason, notStored, status, docs, route, key, keyParts = [], entry }: Explanation): void {
  const rows: Array<readonly [string, string | undefined]> = [
    ['outcome', `${outcome}${reason === undefined ? '' : ` (${reason})`}${status === undefined ? '' : `, answered with ${status}`}`],
    ['cached', isCached ? 'yes' : 'no'],
    ['not stored', notStored === undefined ? undefined : `the last response was not: ${notStored}`],
    ['see', docs],
    ['route', route],
    ['key', key]
  ]
  output.heading(`${method} ${url}`)
  output.list(rows.flatMap(([name, value]) => value === undefined ? [] : [[name, value]]))
  if (keyParts.length > 0) {
    output.line()
    output.table(['part of the key', 'value'], keyParts.map(({ part, value }) => [part, value]))
  }
  if (entry === undefined) return
  output.line()
  output.heading('stored under this key')
  output.list(factsOf(entry))
}
