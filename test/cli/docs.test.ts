import { readFile } from 'node:fs/promises'
import t from 'tap'
import { programFor } from '../../lib/cli/program.ts'
import { commandsOf, PAGE, wordsOf } from './docs.ts'

const page = await readFile(PAGE, 'utf8')
const program = programFor(async () => {})

t.test('the page names every command and every option, and no other', async (t) => {
  const isNamed = (flag: string, text: string): boolean => new RegExp(`\`[^\`\n]*${flag}\\b`).test(text)
  const missing = program.commands.flatMap((command) => {
    const [, section] = page.split(`\n## ${command.name()}\n`)
    const own = section?.split('\n## ')[0]
    if (own === undefined) return [command.name()]
    return command.options.filter(({ long }) => !isNamed(long!, own)).map(({ long }) => `${command.name()} ${long}`)
  })
  const common = page.split('\n## stats\n')[0]!
  t.same([...missing, ...program.options.filter(({ long }) => !isNamed(long!, common)).map(({ long }) => long)], [])
  const known = new Set(['--help', ...[program, ...program.commands].flatMap(({ options }) => options.map(({ long }) => long!))])
  const named = page.replace(/^```text\n[\s\S]*?^```$/gm, '').match(/(?<=[` ])--[a-z][a-z-]+/g) ?? []
  t.same(named.filter((flag) => !known.has(flag)), [])
})

t.test('every command has an output on the page, and its command line can be read', async (t) => {
  const shown = commandsOf(page)
  t.same(program.commands.map((command) => command.name()).filter((name) => !shown.some(({ command }) => command.startsWith(`npx fastify-response-cache ${name}`))), [])
  for (const { text, command } of shown) {
    t.ok(text.split('\n').length > 2, `${command} has an output`)
    const [, , name, ...args] = wordsOf(command)
    const { unknown } = program.commands.find((one) => one.name() === name)!.parseOptions(args)
    t.same(unknown.filter((word) => word !== '--admin' && !word.startsWith('http://127.0.0.1:3000')), [], command)
  }
})
