/**
 * Every code block of README.md and docs/ does what it says. By the words after the three backticks:
 *
 * - `ts`            a whole program: type-checked, then run in its own process. It ends with 0 by itself within a
 *                   minute, or it listens: then its first GET route (`:id` becomes `1`) is requested twice, must not
 *                   answer 5xx, and the program is stopped. Any port may be written: it gets a free one. A Redis
 *                   at port 6379 of any host is a real one of the tests.
 * - `ts no-run`     type-checked only. `app`, `request`, `reply`, `db` and what else is in
 *                   `helpers/snippet-globals.d.ts` exist without being declared.
 * - `js`, `js no-run`  the same without types; with a `require(` in it, it is CommonJS.
 * - `sh` (`bash`, `console`)  not run; the npm scripts it names exist, and the files that it passes to node or tsx.
 * - `json`          is JSON.
 * - anything else   (`http`, `text`, `yaml`, …) is not looked at. A block without a language is an error.
 */
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { installPackage, writeJavaScript } from './helpers/installed-package.ts'
import { startRedisServer } from './helpers/redis.ts'
import { runProgram } from './helpers/run-program.ts'
import { findSnippets, type Snippet } from './helpers/snippets.ts'
import { typeProblems } from './helpers/type-problems.ts'
import { visitFirstRoute } from './helpers/visit.ts'

t.setTimeout(300_000)

const root = join(import.meta.dirname, '..')
const prelude = join(import.meta.dirname, 'helpers', 'snippet-globals.d.ts')
const shells = ['sh', 'bash', 'console', 'shell']
const programs = ['ts', 'js']

await t.test('the snippets of README.md and docs/', async (t) => {
  const snippets = (await Promise.all((await documents()).map(readSnippets))).flat()
  t.ok(snippets.some(isRun), 'at least one of them runs')
  t.strictSame(await problems(t, snippets), [])
})

await t.test('a snippet that does not do what it says is found', async (t) => {
  const fences = await readFile(join(import.meta.dirname, 'helpers', 'broken-snippets.md'), 'utf8')
  const found = await problems(t, findSnippets('x.md', fences))
  const expected = fences.split('\n').flatMap((line, index) => {
    const [, complaint] = /^Broken: (.*)$/.exec(line) ?? []
    return complaint === undefined ? [] : [`x.md:${index + 3} ${complaint}`]
  })
  t.equal(found.length, expected.length)
  for (const complaint of expected) t.ok(found.some(problem => problem.startsWith(complaint)), complaint)
})

async function documents (): Promise<string[]> {
  const docs = await readdir(join(root, 'docs'), { recursive: true })
  return ['README.md', ...docs.filter(name => name.endsWith('.md')).map(name => join('docs', name))]
}

async function readSnippets (file: string): Promise<Snippet[]> {
  return findSnippets(file, await readFile(join(root, file), 'utf8'))
}

async function problems (t: Test, snippets: Snippet[]): Promise<string[]> {
  const scripts = await npmScripts()
  const texts = snippets.flatMap(snippet => textProblem(snippet, scripts) ?? [])
  const files = await writePrograms(t, snippets.filter(({ language }) => programs.includes(language)))
  const types = typeProblems([...files.keys(), prelude]).map(({ file, line, text }) => {
    return `${files.get(file)?.at ?? file} line ${line}: ${text}`
  })
  return [...texts, ...types, ...await runAll(t, files)]
}

function textProblem ({ at, language, words, text }: Snippet, scripts: string[]): string | undefined {
  if (language === '') return `${at} has no language`
  if (programs.includes(language)) {
    const unknown = words.find(word => word !== 'no-run')
    return unknown && `${at} has an unknown word: ${unknown}`
  }
  if (language === 'json') return jsonProblem(at, text)
  return shells.includes(language) ? shellProblem(at, text, scripts) : undefined
}

function jsonProblem (at: string, text: string): string | undefined {
  try {
    JSON.parse(text)
    return undefined
  } catch (error) {
    return `${at} ${(error as Error).message}`
  }
}

function shellProblem (at: string, text: string, scripts: string[]): string | undefined {
  const named = [...text.matchAll(/\bnpm (?:run (?<script>[\w:-]+)|(?<short>start|test)\b)/g)]
  const missing = named.map(({ groups }) => groups?.script ?? groups?.short ?? '').find(name => !scripts.includes(name))
  if (missing !== undefined) return `${at} names an npm script that does not exist: ${missing}`

  const passed = [...text.matchAll(/\b(?:node|tsx|tap) (?<file>[\w./-]+\.[jt]s)\b/g)].map(({ groups }) => groups?.file ?? '')
  const gone = passed.find(file => !existsSync(join(root, file)))
  return gone && `${at} names a file that does not exist: ${gone}`
}

async function npmScripts (): Promise<string[]> {
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { scripts: object }
  return Object.keys(manifest.scripts)
}

async function writePrograms (t: Test, snippets: Snippet[]): Promise<Map<string, Snippet>> {
  const folder = t.testdir()
  await mkdir(folder, { recursive: true })
  const files = new Map<string, Snippet>()
  for (const snippet of snippets) {
    const ending = snippet.language === 'js' && snippet.text.includes('require(') ? 'cjs' : snippet.language
    const file = join(folder, `${snippet.at.replaceAll(/\W/g, '-')}.${ending}`)
    // The lines stay where they are; a snippet without imports is a module all the same.
    await writeFile(file, ending === 'cjs' ? snippet.text : `${snippet.text}export {}\n`)
    files.set(file, snippet)
  }
  return files
}

async function runAll (t: Test, files: Map<string, Snippet>): Promise<string[]> {
  const run = [...files].filter(([, snippet]) => isRun(snippet))
  if (run.length === 0) return []

  const found: string[] = []
  const redis = await startRedisServer(t)
  const folder = t.testdirName
  await installPackage(folder)
  const sandbox = join(folder, 'sandbox.js')
  await writeJavaScript(join(import.meta.dirname, 'helpers', 'sandbox.ts'), sandbox)
  for (const [file, snippet] of run) {
    const program = file.replace(/\.ts$/, '.js')
    if (program !== file) await writeJavaScript(file, program)
    const { problem } = await runProgram(program, { sandbox, redisPort: redis.port, visit: origin => visitFirstRoute(origin, snippet.text) })
    if (problem !== undefined) found.push(`${snippet.at} ${problem}`)
  }
  return found
}

function isRun ({ language, words }: Snippet): boolean {
  return programs.includes(language) && !words.includes('no-run')
}
