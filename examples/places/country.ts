/** The parameters of a route with `/countries/:country` in its path. */
export interface CountryParams {
  country: string
}

/** ISO 3166-1 alpha-2, in capitals: one spelling, so one key per country. */
export const countryCode = { type: 'string', pattern: '^[A-Z]{2}$' } as const

export const countryParams = {
  type: 'object',
  required: ['country'],
  properties: { country: countryCode }
} as const

const names = new Intl.DisplayNames('en', { type: 'region' })

export function countryName (code: string): string {
  return names.of(code) ?? code
}
