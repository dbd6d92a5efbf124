import { dirname, join } from 'node:path'
import ts from 'typescript'

export interface TypeProblem {
  file: string
  line: number
  text: string
}

const config = join(import.meta.dirname, '..', '..', 'tsconfig.json')

/** Type-checks these files, and what they import, with the settings of the project. */
export function typeProblems (files: string[]): TypeProblem[] {
  const program = ts.createProgram(files, { ...compilerOptions(), allowJs: true, checkJs: false })
  // Those of all files together would have everything checked that is imported.
  return files.flatMap((file) => ts.getPreEmitDiagnostics(program, program.getSourceFile(file)))
    .filter(({ file }) => file !== undefined && files.includes(file.fileName))
    .map(({ file, start, messageText }) => ({
      file: file!.fileName,
      line: file!.getLineAndCharacterOfPosition(start ?? 0).line + 1,
      text: ts.flattenDiagnosticMessageText(messageText, '\n')
    }))
}

export function compilerOptions (): ts.CompilerOptions {
  const { config: json } = ts.readConfigFile(config, ts.sys.readFile)
  return ts.parseJsonConfigFileContent(json, ts.sys, dirname(config)).options
}
