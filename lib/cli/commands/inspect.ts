import { Option } from 'commander'
import { wholeNumber } from '../arguments.ts'
import { withSource, type Context, type Declare } from '../context.ts'
import { CommandError } from '../exit.ts'
import { showEntry } from '../views/entry-view.ts'

interface InspectOptions {
  readonly body: number
  readonly perUser?: boolean
}

/** As much as the admin routes give. */
const MOST_BODY = 65_536

export const declareInspect: Declare = (program, perform) => {
  program.command('inspect')
    .description('one entry: age, tags, header fields, what has invalidated it')
    .argument('<key>', 'as keys shows it, and X-Cache-Key behind the prefix')
    .addOption(new Option('--body <bytes>', 'the beginning of its body').argParser(wholeNumber(0, MOST_BODY)).default(0))
    .option('--per-user', 'also the body of an entry that is for one user')
    .action(async (key: string, options: InspectOptions, command) => { await perform(command, async (context) => { await inspect(context, key, options) }) })
}

async function inspect (context: Context, key: string, { body, perUser = false }: InspectOptions): Promise<void> {
  const { output } = context
  await withSource(context, async (source) => {
    const entry = await source.inspect(key, { body, isPerUserShown: perUser })
    if (entry === undefined) throw new CommandError(`there is no entry under "${key}" in ${source.name}: it was never stored, or it is gone by now. The command keys shows which there are`)
    output.result(entry, () => { showEntry(output, entry) })
    if (entry.isBodyWithheld === true) output.note('The body is for one user, and was not read: --per-user')
  })
}
