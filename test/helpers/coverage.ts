import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const folder = '.tap/coverage'

interface Coverage {
  result?: Array<{ url: string }>
  'source-map-cache'?: Record<string, { data?: { sourcesContent?: unknown[] } | null }>
}

/**
 * Makes the coverage that Node has written readable for tap, and tells whether there is any of lib/.
 *
 * tsx leaves the source out of its source maps, which Node records as `sourcesContent: [null]`. The report takes that
 * for an empty source and calls every file fully covered. Without the field it reads the source from the disk.
 */
export async function repairCoverage (): Promise<boolean> {
  const files = await readdir(folder).catch(() => [])
  let found = false
  for (const file of files) {
    const path = join(folder, file)
    const coverage = JSON.parse(await readFile(path, 'utf8')) as Coverage
    for (const { data } of Object.values(coverage['source-map-cache'] ?? {})) {
      if (data?.sourcesContent?.every(source => source === null)) delete data.sourcesContent
    }
    found ||= coverage.result?.some(({ url }) => url.includes('/lib/')) ?? false
    await writeFile(path, JSON.stringify(coverage))
  }
  return found
}
