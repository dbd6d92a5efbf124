/** Prints rows under their headings; columns of numbers are aligned to the right. */
export function printTable (headings: string[], rows: string[][]): void {
  const widths = headings.map((heading, column) => Math.max(heading.length, ...rows.map((row) => (row[column] ?? '').length)))
  const numeric = headings.map((_, column) => rows.every((row) => /^([\d.]+x?|-)$/.test(row[column] ?? '')))
  const line = (cells: string[]) => cells
    .map((cell, column) => numeric[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0))
    .join('  ').trimEnd()

  console.log(`\n${line(headings)}\n${line(widths.map((width) => '-'.repeat(width)))}`)
  for (const row of rows) console.log(line(row))
}
