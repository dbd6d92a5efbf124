/**
 * The pages agree with each other and with lib/: links lead somewhere, and what a page lists is all that there is. What the code blocks do is the matter
 * of `readme-snippets.test.ts`.
 */
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { test } from 'tap'
import { programFor } from '../lib/cli/program.ts'
import { createCache } from '../lib/create-cache.ts'
import { DURATION, METRICS } from '../lib/metrics/readings.ts'
import { LATENCIES, PLAIN_COUNTS, WORD_COUNTS } from '../lib/stats/counts.ts'
import { anchorsOf, linksOf } from './helpers/markdown.ts'

const root = join(import.meta.dirname, '..')

test('each link of a page leads to a file that exists, and to a heading or an anchor in it', async (t) => {
  const pages = await readPages()
  t.ok(pages.size > 30, `${pages.size} pages`)
  const links = [...pages].flatMap(([page, text]) => linksOf(text).map(({ line, target }) => ({ from: `${page}:${line}`, to: joined(page, target) })))
  t.ok(links.length > 500, `${links.length} links`)
  t.strictSame(links.filter(({ to }) => !leadsSomewhere(pages, to)), [])
})

test('what the code says of a page exists', async (t) => {
  const pages = await readPages()
  const sources = await readSources(/\.(?:ts|js|html)$/)
  const named = [...sources].flatMap(([file, text]) => [...text.matchAll(/\bdocs\/[\w/-]+\.md(?:#[\w-]+)?/g)].map(([to]) => ({ file, to })))
  t.ok(named.length > 10, `${named.length} places`)
  t.strictSame(named.filter(({ to }) => !leadsSomewhere(pages, to)), [])
})

test('each option has its place on the page of options, and in README.md', async (t) => {
  const [page, readme, limits] = await Promise.all(['docs/options.md', 'README.md', 'docs/limits.md'].map(readText))
  const plugin = [...await membersOf('options/plugin-options.ts', 'CacheOptions'), ...await membersOf('options/plugin-options.ts', 'ResponseCacheOptions')]
  const route = await membersOf('options/route-options.ts', 'RouteCacheOptions')
  t.ok(plugin.length > 20 && route.length > 30)
  for (const name of [...plugin, ...route]) {
    t.ok(page!.includes(`\n| [\`${name}\`](#${name.toLowerCase()}) |`), `${name} is in a table`)
    t.ok(page!.includes(`\n### ${name}\n`), `${name} has a section`)
    t.match(readme, new RegExp(`^\\|[^|]*\`${name}\``, 'm'), `${name} is in README.md`)
  }
  for (const name of await membersOf('options/limits.ts', 'Limits')) t.match(limits, new RegExp(`^\\|[^|]*\`${name}\``, 'm'), name)
})

test('each member of an option is in the section of that option', async (t) => {
  const page = await readText('docs/options.md')
  const nested: ReadonlyArray<readonly [file: string, type: string, section: string]> = [
    ['options/plugin-options.ts', 'MemoryOptions', 'memory'],
    ['options/plugin-options.ts', 'TimeoutOptions', 'timeouts'],
    ['options/plugin-options.ts', 'BreakerOptions', 'breaker'],
    ['options/plugin-options.ts', 'IntegrityOptions', 'integrity'],
    ['options/route-options.ts', 'LockOptions', 'lock'],
    ['options/route-options.ts', 'AdaptiveTtlOptions', 'adaptiveTtl'],
    ['options/route-options.ts', 'DownstreamOptions', 'downstream']
  ]
  for (const [file, type, section] of nested) {
    const text = page.split(`\n### ${section}\n`)[1]!.split('\n### ')[0]!
    for (const name of await membersOf(file, type)) t.ok(text.includes(`\`${name}\``), `${section}: ${name}`)
  }
})

test('each error code has a section, and a row that leads to it', async (t) => {
  const page = await readText('docs/errors.md')
  const codes = [...(await readText('lib/errors.ts')).matchAll(/'(RESPONSE_CACHE_ERR_\w+)'/g)].map(([, code]) => code!)
  t.ok(codes.length > 20)
  t.strictSame([...page.matchAll(/^## (RESPONSE_CACHE_ERR_\w+)$/gm)].map(([, code]) => code).toSorted(), codes.toSorted())
  for (const code of codes) t.ok(page.includes(`\n| [\`${code}\`](#${code.toLowerCase()}) |`), code)
})

test('each line that is logged is on the page of errors', async (t) => {
  const [, listed] = (await readText('docs/errors.md')).split('\n## What is logged\n')
  const lines = [...await readSources(/\.ts$/)].filter(([file]) => !file.startsWith('lib/cli/')).flatMap(([file, text]) => loggedTexts(text).map((parts) => ({ file, parts })))
  t.ok(lines.length > 25, `${lines.length} lines`)
  t.strictSame(lines.filter(({ parts }) => !parts.every((part) => listed!.includes(part))), [])
})

test('each environment variable that is read is on a page', async (t) => {
  const [environment, cli] = await Promise.all(['docs/environment.md', 'docs/cli.md'].map(readText))
  const ofOptions = [...(await readText('lib/options/environment.ts')).matchAll(/'((?:REDIS|CACHE)_\w+)'/g)].map(([, name]) => name!)
  t.ok(ofOptions.length > 10)
  for (const name of [...ofOptions, ...['SHORT', 'MEDIUM', 'LONG', 'DAY'].map((ttl) => `CACHE_TTL_${ttl}`)]) t.ok(environment!.includes(`\`${name}\``), name)
  const ofCommands = [...(await readText('lib/cli/places.ts')).matchAll(/\benv\.(\w+)/g)].map(([, name]) => name!)
  for (const name of new Set(ofCommands)) t.ok(environment!.includes(`\`${name}\``) || cli!.includes(`\`${name}\``), name)
})

test('each method of the client is on its page, and in README.md', async (t) => {
  const [page, readme] = await Promise.all(['docs/client.md', 'README.md'].map(readText))
  const methods = await publicMethods()
  t.ok(methods.length > 30, `${methods.length} methods`)
  for (const name of methods) {
    t.match(page, new RegExp(`^\\|[^|]*\`${name}[(\`]`, 'm'), name)
    // "and so on" stands for the short forms of invalidate().
    if (!/^invalidate[A-Z]/.test(name)) t.match(readme, new RegExp(`^\\|[^|]*\`${name}\\(`, 'm'), `${name} in README.md`)
  }
})

test('each number of stats() is on a page, and so is each metric', async (t) => {
  const [observability, client] = await Promise.all(['docs/observability.md', 'docs/client.md'].map(readText))
  for (const name of [...PLAIN_COUNTS, ...WORD_COUNTS, ...LATENCIES]) t.ok(observability!.includes(`\`${name}\``) || client!.includes(`\`${name}\``), name)
  for (const { name, type } of [...METRICS, { ...DURATION, type: 'histogram' }]) {
    const [whole, part] = [`response_cache_${name.replaceAll('.', '_')}`, `_${name.split('.').at(-1)}`].map((known) => `\`${known}${type === 'counter' ? '_total' : ''}\``)
    t.ok(observability!.includes(whole!) || observability!.includes(part!), name)
  }
})

test('each command that a page says to run exists, with the options that it is given', async (t) => {
  const program = programFor(async () => {})
  const common = ['--help', ...program.options.map(({ long }) => long!)]
  const lines = [...await readPages()].flatMap(([page, text]) => [...text.matchAll(/npx fastify-response-cache ([^`]*?)(?:`|$(?!\n +--)|\|\|)/gm)].map(([, line]) => ({ page, line: line!.trim() })))
  t.ok(lines.length > 30, `${lines.length} commands`)
  for (const { page, line } of lines) {
    const [name = '', ...rest] = line.split(/\s+/)
    const command = program.commands.find((one) => one.name() === name)
    if (!name.startsWith('--') && name !== '…') t.ok(command, `${page}: ${line}`)
    const known = new Set([...common, ...command?.options.map(({ long }) => long!) ?? []])
    t.strictSame([name, ...rest].filter((word) => word.startsWith('--') && !known.has(word)), [], `${page}: ${line}`)
  }
  // What stands there for the place of the cache is put behind any command.
  const places = [...(await readText('docs/troubleshooting.md')).matchAll(/`(--[^`]+)`/g)].flatMap(([, text]) => text!.match(/--[a-z-]+/g)!)
  t.ok(places.includes('--admin'))
  t.strictSame(places.filter((flag) => !common.includes(flag)), [])
})

test('the page of the architecture has each folder, each file at the top of lib, and each decision', async (t) => {
  const page = await readText('docs/architecture.md')
  const [, tree] = /^```text\nlib\/\n([\s\S]*?)^```$/m.exec(page)!
  for (const entry of await readdir(join(root, 'lib'), { withFileTypes: true })) t.ok(tree!.includes(entry.isDirectory() ? `${entry.name}/` : entry.name), entry.name)
  for (const [name] of tree!.matchAll(/(?<=^ {2}|, )[\w-]+(?:\.ts|\/)/gm)) t.ok(existsSync(join(root, 'lib', name)), name)
  for (const name of await readdir(join(root, 'docs/decisions'))) t.ok(page.includes(`(decisions/${name})`), name)
})

async function readText (file: string): Promise<string> {
  return await readFile(join(root, file), 'utf8')
}

/** All Markdown files that users read, by their path. */
async function readPages (): Promise<Map<string, string>> {
  const folders = await Promise.all(['docs', 'examples'].map(async (folder) => (await namesIn(folder)).filter((name) => name.endsWith('.md'))))
  const names = ['README.md', 'CHANGELOG.md', ...folders.flat()]
  return new Map(await Promise.all(names.map(async (name) => [name, await readText(name)] as const)))
}

async function readSources (kind: RegExp): Promise<Map<string, string>> {
  const names = (await namesIn('lib')).filter((name) => kind.test(name))
  return new Map(await Promise.all(names.map(async (name) => [name, await readText(name)] as const)))
}

async function namesIn (folder: string): Promise<string[]> {
  return (await readdir(join(root, folder), { recursive: true })).map((name) => posix.join(folder, name.replaceAll('\\', '/')))
}

/** The target of a link, from the top. */
function joined (page: string, target: string): string {
  return target.startsWith('#') ? `${page}${target}` : posix.join(posix.dirname(page), target)
}

function leadsSomewhere (pages: ReadonlyMap<string, string>, to: string): boolean {
  const [file = '', anchor] = to.split('#')
  const page = pages.get(file)
  if (anchor === undefined) return page !== undefined || existsSync(join(root, file))
  return page !== undefined && anchorsOf(page).has(anchor)
}

/** The names of the members of an interface. */
async function membersOf (file: string, type: string): Promise<string[]> {
  const [, body] = new RegExp(`^export interface ${type}\\b[^{]*{\\n([\\s\\S]*?)^}$`, 'm').exec(await readText(`lib/${file}`))!
  return [...body!.matchAll(/^ {2}(?:readonly )?(\w+)\??(?=[:(])/gm)].map(([, name]) => name!)
}

/** What TypeScript hides is public as well: `protected` methods are left out by their declaration. */
async function publicMethods (): Promise<string[]> {
  const cache = createCache()
  await cache.close()
  const names = new Set<string>()
  for (let type: unknown = Object.getPrototypeOf(cache); typeof type === 'object' && type !== null && type !== Object.prototype; type = Object.getPrototypeOf(type)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(type))) if (typeof value === 'function') names.add(name)
  }
  const sources = [...await readSources(/^lib\/client\/.*\.ts$/)].map(([, text]) => text).join('\n')
  return [...names].filter((name) => name !== 'constructor' && !new RegExp(`^  protected (?:override )?(?:async )?${name}\\b`, 'm').test(sources))
}

/** Texts that are given to a logger. What is put into one has a place between its parts. */
function loggedTexts (source: string): string[][] {
  const calls = source.split('\n').filter((line) => /\.(?:debug|info|warn|error|once)\??\.?\(\{/.test(line))
  const texts = calls.flatMap((line) => [...line.matchAll(/(?<=[,?:] )(['`])([a-z][^'`]*(?: |\$\{)[^'`]*)\1/g)].map(([, , text]) => text!))
  return texts.map((text) => text.split(/\$\{[^}]*\}/).map((part) => part.trim()))
}
