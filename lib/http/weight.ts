/** The weight of a preference (RFC 9110 section 12.4.2), 0 to 1; `undefined` for what is none. */
export function parseWeight (text: string): number | undefined {
  return /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(text) ? Number(text) : undefined
}
