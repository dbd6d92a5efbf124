/** Requests the first GET route of a program twice, with `1` for each parameter. A 5xx is an error. */
export async function visitFirstRoute (origin: string, source: string): Promise<void> {
  const path = /\.get(?:<.*?>)?\('(?<path>\/[^']*)'/.exec(source)?.groups?.path ?? '/'
  for (const time of ['first', 'second']) {
    const response = await fetch(new URL(path.replaceAll(/:\w+/g, '1'), origin))
    const body = await response.text()
    if (response.status >= 500) throw new Error(`GET ${path}, ${time} time: ${response.status} ${body}`)
  }
}
