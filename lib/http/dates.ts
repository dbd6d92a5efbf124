/*
 * HTTP-date, RFC 9110 section 5.6.7. `Date.parse` reads far more than the grammar, as local time where it pleases, and does not read all
 * of the grammar. The name of the day is not compared with the date: the section only asks for one, and the number is what was meant.
 */
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const SHORT_DAY = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)'
const MONTH = `(?<month>${MONTHS.join('|')})`
const TIME = '(?<hour>\\d\\d):(?<minute>\\d\\d):(?<second>\\d\\d)'

const IMF_FIXDATE = new RegExp(`^${SHORT_DAY}, (?<day>\\d\\d) ${MONTH} (?<year>\\d{4}) ${TIME} GMT$`)
const RFC_850 = new RegExp(`^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?<day>\\d\\d)-${MONTH}-(?<year>\\d\\d) ${TIME} GMT$`)
const ASCTIME = new RegExp(`^${SHORT_DAY} ${MONTH} (?<day>\\d\\d| \\d) ${TIME} (?<year>\\d{4})$`)

/** The instant, in milliseconds since 1970; `undefined` for what is none of the three forms, or no date. `now` is for years of two digits. */
export function parseHttpDate (text: string, now = Date.now()): number | undefined {
  const dated = IMF_FIXDATE.exec(text) ?? ASCTIME.exec(text)
  if (dated !== null) return instantOf(dated.groups!, Number(dated.groups!.year))
  const short = RFC_850.exec(text)
  return short === null ? undefined : instantOfShortYear(short.groups!, now)
}

/** The latest one that is not more than 50 years in the future. */
function instantOfShortYear (parts: Record<string, string>, now: number): number | undefined {
  const latest = new Date(now)
  const latestYear = latest.getUTCFullYear() + 50
  latest.setUTCFullYear(latestYear)
  const year = latestYear - (latestYear - Number(parts.year)) % 100
  const instant = instantOf(parts, year)
  return instant !== undefined && instant > latest.getTime() ? instantOf(parts, year - 100) : instant
}

function instantOf (parts: Record<string, string>, year: number): number | undefined {
  const [day, hour, minute, second] = [Number(parts.day), Number(parts.hour), Number(parts.minute), Number(parts.second)]
  const isLeapSecond = second === 60 && minute === 59 && hour === 23
  if (hour > 23 || minute > 59 || (second > 59 && !isLeapSecond)) return undefined
  const date = new Date(0)
  // Not Date.UTC: it takes years below 100 for those of the 20th century.
  date.setUTCFullYear(year, MONTHS.indexOf(parts.month!), day)
  if (date.getUTCDate() !== day) return undefined
  return date.setUTCHours(hour, minute, second)
}

/** An instant as IMF-fixdate, in whole seconds: what is less than one is cut off. */
export function httpDate (ms: number): string {
  return new Date(ms).toUTCString()
}
