import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'

/**
 * A process costs about two seconds before the first of its tests, which is more than most test files need. The files of these folders share one
 * process for each suite, and run one after another. `.taprc` names what has a process of its own: the other folders, and those files of these
 * folders that measure their process, or take long. Any file still runs alone as well: `npx tap test/http/vary.test.ts`.
 */
export const SUITES: Readonly<Record<string, readonly string[]>> = {
  events: ['events', 'invalidation'],
  freshness: ['freshness'],
  http: ['http'],
  'http-semantics': ['http-semantics'],
  options: ['options'],
  limits: ['limits'],
  plugin: ['plugin'],
  plugins: ['plugins'],
  safety: ['safety'],
  small: ['advice', 'audit', 'client', 'explain', 'functions'],
  state: ['inspect', 'marks', 'metrics', 'stats'],
  store: ['store'],
  warming: ['warming']
}

const root = join(import.meta.dirname, '..', '..')

/** All test files of a suite: those of its folders that `.taprc` does not name. */
export async function filesOfSuite (name: string): Promise<string[]> {
  const settings = await readFile(join(root, '.taprc'), 'utf8')
  const alone = settings.split('\n').map((line) => line.replace(/^ *- /, ''))
  const files = await Promise.all((SUITES[name] ?? []).map(testFiles))
  return files.flat().filter((file) => !alone.includes(file))
}

/** The test files of a folder of `test`, as paths in the project. */
async function testFiles (folder: string): Promise<string[]> {
  const names = await readdir(join(root, 'test', folder))
  return names.filter((name) => name.endsWith('.test.ts')).toSorted().map((name) => `test/${folder}/${name}`)
}

/** Runs a suite in this process. The name of each test begins with that of its file. */
export async function runSuite (name: string): Promise<void> {
  t.setTimeout(600_000)
  runNext(await filesOfSuite(name))
}

/** Loads the first file. Its tests come behind that in the queue, and the next file behind them. */
function runNext ([file, ...others]: readonly string[]): void {
  if (file === undefined) return
  t.test(file, async (loading) => {
    let tests = 0
    const belongsToFile = (test: { name: string }): void => {
      tests++
      test.name = `${file}: ${test.name}`
    }
    t.on('subtestAdd', belongsToFile)
    try {
      await import(join(root, file))
      loading.ok(tests > 0, 'it has tests')
    } finally {
      t.off('subtestAdd', belongsToFile)
      runNext(others)
    }
  })
}
