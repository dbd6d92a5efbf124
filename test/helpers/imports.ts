import { posix } from 'node:path'
import ts from 'typescript'

/** File name to text. */
export type Sources = ReadonlyMap<string, string>

/** A file with what it imports: type imports, dynamic imports and `declare module` too. */
export interface SourceFile {
  name: string
  /** Other files, as names from the root. */
  files: string[]
  /** Packages without subpaths; `node:…` is not among them. */
  packages: string[]
  /** Names of `let` and `var` at the top level. */
  variables: string[]
}

export function readImports (sources: Sources): SourceFile[] {
  return [...sources].map(([name, text]) => {
    const found = ts.preProcessFile(text, true, true)
    const specifiers = [...found.importedFiles.map(file => file.fileName), ...found.ambientExternalModules ?? []]
    return {
      name,
      files: specifiers.filter(isRelative).map(file => posix.join(posix.dirname(name), file)),
      packages: specifiers.filter(name => !isRelative(name) && !name.startsWith('node:')).map(packageOf),
      variables: variablesOf(name, text)
    }
  })
}

function isRelative (specifier: string): boolean {
  return specifier.startsWith('.')
}

function packageOf (specifier: string): string {
  return specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/')
}

function variablesOf (name: string, text: string): string[] {
  const { statements } = ts.createSourceFile(name, text, ts.ScriptTarget.Latest)
  return statements
    .filter(ts.isVariableStatement)
    .filter(({ declarationList }) => (declarationList.flags & ts.NodeFlags.Const) === 0)
    .flatMap(({ declarationList }) => declarationList.declarations.map(({ name }) => (name as ts.Identifier).text))
}

/** The first circle of imports, as a list of names that ends with the one it began with. */
export function findCycle (files: SourceFile[]): string[] | undefined {
  const byName = new Map(files.map(file => [file.name, file]))
  const done = new Set<string>()

  function visit (name: string, path: string[]): string[] | undefined {
    if (path.includes(name)) return [...path.slice(path.indexOf(name)), name]
    if (done.has(name)) return undefined

    for (const next of byName.get(name)?.files ?? []) {
      const cycle = visit(next, [...path, name])
      if (cycle !== undefined) return cycle
    }
    done.add(name)
    return undefined
  }

  for (const { name } of files) {
    const cycle = visit(name, [])
    if (cycle !== undefined) return cycle
  }
  return undefined
}
