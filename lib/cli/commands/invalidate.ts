import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { InvalidationPreview } from '../../admin/invalidation-preview.ts'
import { several } from '../arguments.ts'
import { withSource, type Context, type Declare } from '../context.ts'
import { EXIT, UsageError } from '../exit.ts'
import type { Output } from '../output.ts'
import type { Invalidating, Source } from '../sources/source.ts'
import { count } from '../units.ts'

interface InvalidateOptions {
  readonly tag?: readonly string[]
  readonly namespace?: readonly string[]
  readonly pattern?: readonly string[]
  readonly url?: readonly string[]
  readonly key?: readonly string[]
  readonly user?: readonly string[]
  readonly all?: boolean
  readonly soft?: boolean
  readonly preview?: boolean
  readonly yes?: boolean
}

export const declareInvalidate: Declare = (program, perform) => {
  program.command('invalidate')
    .description('nobody is served as fresh what it names; each option may be given several times')
    .option('--tag <tag>', 'what has this tag', several)
    .option('--namespace <name>', 'everything of this namespace', several)
    .option('--pattern <glob>', 'keys that match: \'user:123:*\'', several)
    .option('--url <url>', 'responses to this path or URL; without a query, with every query', several)
    .option('--key <key>', 'one entry, by its key', several)
    .option('--user <user>', 'what routes with varyByUser keep for this user', several)
    .option('--all', 'everything under the prefix')
    .option('--soft', 'stale in place of gone')
    .option('--preview', 'only say what it would hit')
    .option('--yes', 'do not ask')
    .action(async (options: InvalidateOptions, command) => { await perform(command, async (context) => await invalidate(context, options)) })
}

async function invalidate (context: Context, { soft = false, preview: isPreview = false, yes = false, ...options }: InvalidateOptions): Promise<number> {
  const { io, output } = context
  const targets = targetsOf(options)
  if (!isPreview && !yes && io.stdin.isTTY !== true) throw new UsageError('invalidate: there is no terminal to ask on: expected --yes, or --preview')
  return await withSource(context, async (source) => {
    if (isPreview) {
      const preview = await source.preview(targets)
      output.result({ source: source.name, preview }, () => { show(output, preview) })
      return EXIT.ok
    }
    if (!yes && !await isConfirmed(context, source, targets)) {
      output.error('nothing was invalidated')
      return EXIT.failed
    }
    await invalidated(context, source, { targets, soft })
    return EXIT.ok
  })
}

async function isConfirmed ({ io, output }: Context, source: Source, targets: Invalidating): Promise<boolean> {
  told(output, await source.preview(targets))
  output.note(`Invalidate this in ${source.name}? Type yes to do it:`)
  return await answerOf(io) === 'yes'
}

async function invalidated ({ io: { signal }, output }: Context, source: Source, { targets, soft }: { readonly targets: Invalidating, readonly soft: boolean }): Promise<void> {
  const onInterrupted = (): void => { output.error('interrupted before it was confirmed: it may have happened, or not') }
  signal.addEventListener('abort', onInterrupted, { once: true })
  await source.invalidate(targets, { soft }).finally(() => { signal.removeEventListener('abort', onInterrupted) })
  output.result({ source: source.name, invalidated: { ...targets, soft } }, () => {
    output.line(`Invalidated${soft ? ', softly: what may be served stale still is' : ''}: ${named(targets)}`)
  })
  // Rights may be missing for that; then nothing is known.
  if (!await source.isInUse().catch(() => true)) output.note(`There is no sign of an app in ${source.name}: no entry, and no request in 24 hours. Is that its prefix?`)
}

function targetsOf ({ tag, namespace, pattern, url, key, user, all = false }: InvalidateOptions): Invalidating {
  const named = Object.entries({ tags: tag, namespaces: namespace, patterns: pattern, urls: url, keys: key, users: user }).filter(([, names]) => names !== undefined)
  if (all && named.length > 0) throw new UsageError('invalidate: expected --all, or something to invalidate, not both')
  if (!all && named.length === 0) throw new UsageError('invalidate: expected something to invalidate: --tag, --namespace, --pattern, --url, --key, --user or --all')
  return all ? { all } : Object.fromEntries(named)
}

function named ({ all = false, ...targets }: Invalidating): string {
  if (all) return 'everything'
  return Object.entries(targets).flatMap(([kind, names]) => (names ?? []).map((name) => `${kind.slice(0, -1)} ${JSON.stringify(name)}`)).join(', ')
}

function show (output: Output, { keys, ...preview }: InvalidationPreview): void {
  output.line(inWords(preview))
  for (const key of keys) output.line(`  ${key}`)
  if (preview.entries > keys.length) output.line(`  and ${count(preview.entries - keys.length)} more`)
}

function told (output: Output, { keys, ...preview }: InvalidationPreview): void {
  output.note([inWords(preview), ...keys.map((key) => `  ${key}`), ...preview.entries > keys.length ? [`  and ${count(preview.entries - keys.length)} more`] : []].join('\n'))
}

function inWords ({ entries, scanned, isComplete }: Omit<InvalidationPreview, 'keys'>): string {
  const looked = isComplete ? `all ${count(scanned)} that could be meant were looked at` : `${count(scanned)} were looked at, and there are more`
  return `${entries === 1 ? '1 entry' : `${count(entries)} entries`} would be hit (${looked})`
}

async function answerOf ({ stdin, signal }: Context['io']): Promise<string> {
  const lines = createInterface({ input: stdin })
  try {
    const [line] = await Promise.race([once(lines, 'line', { signal }), once(lines, 'close', { signal })]) as [string?]
    return (line ?? '').trim().toLowerCase()
  } finally {
    lines.close()
  }
}
