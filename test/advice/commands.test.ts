import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { neededCommands, OF_CLUSTERS, OF_SENTINELS } from '../../lib/store/redis-commands.ts'

const docs = join(import.meta.dirname, '../../docs')
const production = await readFile(join(docs, 'production.md'), 'utf8')
const granted = (line: string): string[] => line.split(' ').filter((word) => /^\+\w/.test(word)).map((word) => word.slice(1)).sort()
const namesOf = (commands: ReadonlyArray<{ command: string }>): string[] => [...new Set(commands.map(({ command }) => command))].sort()

t.test('the rights that advice looks for are those that the docs give', async (t) => {
  t.same(namesOf(neededCommands({ key: 'shop:x', channels: 'shop' })), granted(/^ACL SETUSER .*$/m.exec(production)![0]))
  t.same(namesOf(OF_CLUSTERS), granted(/^for a Cluster also: (.*)$/m.exec(production)![1]!))
  t.same(namesOf(OF_SENTINELS), granted(/^for Sentinel also: (.*)$/m.exec(production)![1]!))
})

t.test('each word of advice and of health has its place in the docs', async (t) => {
  const headings = [...(await readFile(join(docs, 'advice.md'), 'utf8')).matchAll(/^### (.*)$/gm)].map(([, heading]) => heading!)
  const source = async (file: string): Promise<string> => await readFile(join(docs, '../lib', file), 'utf8')
  const advice = [...(await source('advice/advice.ts')).matchAll(/^ {2}\| '([\w-]+)'$/gm)].map(([, word]) => word!)
  const health = [.../HealthWord = (.*)$/m.exec(await source('client/health.ts'))![1]!.matchAll(/'([\w-]+)'/g)].map(([, word]) => word!)
  t.ok(advice.length > 15 && health.length > 3)
  t.same([...headings].sort(), [...advice, ...health].sort())
})
