import type { Database } from './database.ts'

export interface Place {
  id: number
  name: string
  country: string
  area: string
  population: number
  lat: number
  lon: number
}

/** The parameters of a route with a place in its path. */
export interface PlaceParams {
  id: number
}

export const placeParams = {
  type: 'object',
  required: ['id'],
  properties: { id: { type: 'integer', minimum: 1, maximum: 2 ** 31 - 1 } }
} as const

export function findPlace (db: Database, id: number): Promise<Place | undefined> {
  return db.first<Place>('select id, name, country, area, population, lat, lon from places where id = $1', [id])
}
