/** The header fields of a response as Node keeps them, by lower-case name. */
export type ResponseHeaders = Readonly<Record<string, number | string | readonly string[] | undefined>>

export function mediaType (response: ResponseHeaders): string {
  const field = response['content-type']
  return field === undefined ? '' : fieldText(field).split(';', 1)[0]!.trim().toLowerCase()
}

/** The value of a field, several lines joined as RFC 9110 section 5.3 says. */
export function fieldText (value: number | string | readonly string[]): string {
  return typeof value === 'object' ? value.join(', ') : String(value)
}
