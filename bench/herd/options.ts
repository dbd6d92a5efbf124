import type * as Library from '../../lib/index.ts'
import type { Ground } from './figure.ts'

/** Leaves out what the library at hand does not know, so that the herd can be seen with an older one. */
export async function knownOptions ({ library }: Ground, options: Readonly<Record<string, unknown>>): Promise<Library.RouteCacheOptions> {
  const { createCache } = await import(library) as typeof Library
  const known: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(options)) {
    try {
      await createCache({ defaults: { [name]: value } }).close()
      known[name] = value
    } catch (error) {
      if ((error as { code?: string }).code !== 'RESPONSE_CACHE_ERR_OPTION_UNKNOWN') throw error
      console.error(`left out, because this version does not know it: ${name}`)
    }
  }
  return known as Library.RouteCacheOptions
}
