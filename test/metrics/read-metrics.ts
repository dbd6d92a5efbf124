const LINE = /^(?<name>[\w:]+)(?:\{(?<labels>.*)\})? (?<value>\S+)$/
const LABEL = /(?<name>\w+)="(?<value>(?:[^"\\]|\\.)*)"/g

export interface ReadMetrics {
  readonly types: ReadonlyMap<string, string>
  readonly helps: ReadonlyMap<string, string>
  readonly names: ReadonlySet<string>
  /** Of the series with these labels, whatever others they have. */
  sum (name: string, labels: Readonly<Record<string, string>>): number
  valuesOf (name: string, label: string): Set<string>
}

/** Reads the text format of Prometheus. A line that is none of it is an error. */
export function readMetrics (text: string): ReadMetrics {
  const [types, helps] = [new Map<string, string>(), new Map<string, string>()]
  const series: Array<{ name: string, labels: Record<string, string>, value: number }> = []
  for (const line of text.split('\n').filter((line) => line !== '' && line !== '# EOF')) {
    const [, keyword, about, rest] = /^# (TYPE|HELP) (\S+) (.*)$/.exec(line) ?? []
    if (keyword !== undefined) {
      (keyword === 'TYPE' ? types : helps).set(about!, rest!)
      continue
    }
    const { name, labels = '', value } = LINE.exec(line)?.groups ?? {}
    if (name === undefined) throw new Error(`no metric: ${line}`)
    series.push({ name, value: Number(value), labels: Object.fromEntries([...labels.matchAll(LABEL)].map(({ groups }) => [groups!.name!, unescape(groups!.value!)])) })
  }
  const found = (name: string) => series.filter((one) => one.name === name)
  return {
    types,
    helps,
    names: new Set(series.map(({ name }) => name)),
    sum: (name, labels) => found(name).filter((one) => Object.entries(labels).every(([label, value]) => one.labels[label] === value)).reduce((sum, { value }) => sum + value, 0),
    valuesOf: (name, label) => new Set(found(name).map(({ labels }) => labels[label] ?? ''))
  }
}

function unescape (text: string): string {
  return text.replaceAll(/\\(.)/g, (_, letter: string) => letter === 'n' ? '\n' : letter)
}
